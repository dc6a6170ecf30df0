// A mesh that has settled long ago, made once by the code that ships: a roster of N stacks, and their feeds by zone, in databases.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import {
  type Database,
  defineKind,
  type Identity,
  makeIdentity,
  openDatabase,
  registryMigrations,
  stackKind,
} from '#registry';
import { FeedStore, Feeds, verifyDelta } from '#registry/feeds';
import { Membership, RosterStore } from '#registry/roster';
import { zoneKind } from '#registry/zones';
import { Kinds } from '../../registry/kind.ts';
import { toBytes } from '../../registry/wire.ts';
import { epochMs } from './machine.ts';
import type { Random } from './random.ts';

/** What simulated stacks write: something small, as a service is. */
export const noteKind = defineKind({
  name: 'note',
  schema: z.strictObject({ text: z.string().max(1_000) }),
  maxBytes: 2_000,
  writer: 'any-member',
  outlastsOwner: true,
});

/** Stacks were admitted this long before the simulation begins. */
const admittedMs = 10 * 24 * 60 * 60 * 1_000;

/** A stack of the mesh. */
export interface Settled {
  readonly identity: Identity;
  /** The zone of its certificate, `''` in a mesh of one. */
  readonly zone: string;
}

/** The files that the copies are made from go when it is disposed of. */
export interface SettledMesh extends Disposable {
  readonly stacks: readonly Settled[];
  /** A database of its own with all of it, as one stack of that zone has it: the whole roster, and the feeds of the zone. */
  open(zone: string): Database;
}

/** Identities and names of that many stacks; the first one founds. */
export function identitiesOf(count: number, random: Random): Identity[] {
  return Array.from({ length: count }, () => makeIdentity(random.bytes(32), random.bytes(32)));
}

export function nameOf(index: number): string {
  return `stack-${index}`;
}

/** Zones of a mesh of so many: `''` for one alone. */
export function zoneNames(count: number): string[] {
  return count === 1 ? [''] : Array.from({ length: count }, (_, index) => `zone-${index}`);
}

/** `records` notes a stack beside its own record; the stacks are parted evenly among the zones, in their order. */
export function settleMesh(count: number, records: number, zones: readonly string[], random: Random): SettledMesh {
  const perZone = Math.ceil(count / zones.length);
  const stacks = identitiesOf(count, random.fork('identities')).map(
    (identity, index): Settled => ({ identity, zone: zones[Math.floor(index / perZone)] ?? '' }),
  );
  const rosterFile = newFile();
  const mesh = writeRoster(stacks, rosterFile, random);
  const files = new Map(
    zones.map((zone) => {
      const file = newFile();
      writeFeeds(stacks, zone, mesh, { records, rosterFile, file, random });
      return [zone, file];
    }),
  );
  return {
    stacks,
    open: (zone) => copyOf(files.get(zone) ?? ''),
    [Symbol.dispose]: () => {
      for (const file of [rosterFile, ...files.values()]) rmSync(file, { force: true });
    },
  };
}

let made = 0;

function newFile(): string {
  made += 1;
  return path.join(tmpdir(), `hermesh-simulator-${process.pid}-${made}.db`);
}

/** The roster of all, in a file; returns the id of the mesh. */
function writeRoster(stacks: readonly Settled[], file: string, random: Random): string {
  const [founder] = stacks;
  if (!founder) throw new RangeError('Cannot settle a mesh of no stacks');
  using database = openDatabase(':memory:', [registryMigrations]);
  const store = new RosterStore(database);
  const membership = new Membership(store, founder.identity, () => epochMs - admittedMs);
  database.transaction(() => {
    membership.found(nameOf(0), random.bytes(16), founder.zone);
    stacks.forEach(({ identity: { stack, box }, zone }, index) => {
      const certified = { stack, name: nameOf(index), zone, role: 'member', x25519: box.publicKey } as const;
      if (index > 0) membership.certify(certified);
    });
  });
  // Who invited them, the first way from one zone into another.
  store.setAddresses(founder.identity.stack, [`/sim/0/p2p/${founder.identity.stack}`]);
  // All were judged by the kinds that each stack knows.
  store.setSetting('kinds', new Kinds([zoneKind, noteKind]).fingerprint());
  database.prepare('VACUUM INTO ?').run(file);
  return membership.roster.mesh;
}

interface Writing {
  readonly records: number;
  readonly rosterFile: string;
  readonly file: string;
  readonly random: Random;
}

/** The roster and the feeds of one zone, in a file. */
function writeFeeds(
  stacks: readonly Settled[],
  zone: string,
  mesh: string,
  { records, rosterFile, file, random }: Writing,
): void {
  using database = copyOf(rosterFile);
  const [first] = stacks;
  if (!first) return;
  const all = new Feeds(new FeedStore(database), first.identity, () => undefined);
  stacks.forEach(({ identity, zone: own }, index) => {
    if (own !== zone) return;
    for (const wire of feedOf(identity, index, mesh, records, random)) {
      const delta = verifyDelta(wire, mesh);
      const outcome = typeof delta === 'string' ? delta : all.apply(delta);
      if (outcome !== 'applied') throw new Error(`Cannot settle the feed of "${nameOf(index)}": ${outcome}`);
    }
  });
  // What settled long ago is there as heads and records; deltas are kept of what is newer.
  database.prepare('DELETE FROM registry_delta').run();
  database.prepare('VACUUM INTO ?').run(file);
}

/** The first deltas of a stack's feed, as it wrote them itself. */
function feedOf(identity: Identity, index: number, mesh: string, records: number, random: Random): Uint8Array[] {
  using database = openDatabase(':memory:', [registryMigrations]);
  const feeds = new Feeds(new FeedStore(database), identity, () => undefined);
  const name = nameOf(index);
  const about = stackKind.schema.parse({ name, addresses: [`/sim/${index}/p2p/${identity.stack}`] });
  const changes = [
    { kind: stackKind.name, name, body: toBytes(about) },
    ...Array.from({ length: records }, (_, at) => ({
      kind: noteKind.name,
      name: `settled-${index}-${at}`,
      body: toBytes({ text: random.bytes(96).reduce((text, byte) => text + byte.toString(16), '') }),
    })),
  ];
  return database
    .transaction(() => {
      const first = feeds.beginEpoch(mesh, { counter: 1, nonce: random.bytes(16) });
      return [first.wire];
    })
    .concat(
      database.transaction(() => {
        const delta = feeds.commit(mesh, changes);
        return delta ? [delta.wire] : [];
      }),
    );
}

/** All tables of the file, in a database in memory. */
function copyOf(file: string): Database {
  const database = openDatabase(':memory:', [registryMigrations]);
  database.prepare('ATTACH ? AS settled').run(file);
  const tables = database
    .prepare<{ name: string }>("SELECT name FROM settled.sqlite_master WHERE type = 'table' AND name LIKE 'registry%'")
    .all();
  database.transaction(() => {
    for (const { name } of tables) {
      database.prepare(`DELETE FROM main.${name}`).run();
      database.prepare(`INSERT INTO main.${name} SELECT * FROM settled.${name}`).run();
    }
  });
  database.prepare('DETACH settled').run();
  return database;
}
