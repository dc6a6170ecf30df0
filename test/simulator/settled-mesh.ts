// A mesh that has settled long ago, made once by the code that ships: a roster of N stacks and all their feeds, in one database.
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

/** The file that the copies are made from goes when it is disposed of. */
export interface SettledMesh extends Disposable {
  readonly identities: readonly Identity[];
  /** A database of its own with all of it, as one stack of the mesh has it. */
  open(): Database;
}

/** Identities and names of that many stacks; the first one founds. */
export function identitiesOf(count: number, random: Random): Identity[] {
  return Array.from({ length: count }, () => makeIdentity(random.bytes(32), random.bytes(32)));
}

export function nameOf(index: number): string {
  return `stack-${index}`;
}

/** `records` notes a stack beside its own record. */
export function settleMesh(count: number, records: number, random: Random): SettledMesh {
  const identities = identitiesOf(count, random.fork('identities'));
  const [founder] = identities;
  if (!founder) throw new RangeError('Cannot settle a mesh of no stacks');
  const template = openDatabase(':memory:', [registryMigrations]);
  const membership = new Membership(new RosterStore(template), founder, () => epochMs - admittedMs);
  template.transaction(() => membership.found(nameOf(0), random.bytes(16)));
  identities.forEach((identity, index) => {
    const { stack, box } = identity;
    if (index > 0) membership.certify({ stack, name: nameOf(index), zone: '', role: 'member', x25519: box.publicKey });
  });
  const { mesh } = membership.roster;
  const all = new Feeds(new FeedStore(template), founder, () => undefined);
  identities.forEach((identity, index) => {
    for (const wire of feedOf(identity, index, mesh, records, random)) {
      const delta = verifyDelta(wire, mesh);
      const outcome = typeof delta === 'string' ? delta : all.apply(delta);
      if (outcome !== 'applied') throw new Error(`Cannot settle the feed of "${nameOf(index)}": ${outcome}`);
    }
  });
  // All were judged by the kinds that each stack knows.
  new RosterStore(template).setSetting('kinds', new Kinds([zoneKind, noteKind]).fingerprint());
  const file = path.join(tmpdir(), `hermesh-simulator-${process.pid}-${Math.floor(performance.now() * 1_000)}.db`);
  template.prepare('VACUUM INTO ?').run(file);
  template[Symbol.dispose]();
  return {
    identities,
    open: () => copyOf(file),
    [Symbol.dispose]: () => rmSync(file, { force: true }),
  };
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
