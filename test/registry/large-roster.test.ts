// A roster of thousands of statements: read one by one as at once, and compared in as many bytes as differ.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub, type Network, openDatabase, registryMigrations, systemClock } from '#registry';
import { Membership, RosterStore } from '#registry/roster';
import { RosterExchange } from '../../registry/replication/roster-exchange.ts';
import { extendRoster, readRoster, rightfulIn } from '../../registry/roster/roster.ts';
import {
  certificateMs,
  makeStatement,
  type Payload,
  rootHash,
  type Statement,
} from '../../registry/roster/statement.ts';
import { identityOf } from '../support/constellation.ts';

const founder = identityOf('founder');
const admin = identityOf('admin');
const root: Payload = {
  type: 'root',
  version: 1,
  admins: [founder.stack],
  threshold: 1,
  nonce: new Uint8Array(16),
  createdAt: 1,
};
const mesh = rootHash(root as Extract<Payload, { type: 'root' }>);
const now = Date.now();

function certify(stack: string, name: string, role: 'admin' | 'member', at = 0, by = founder): Statement {
  const dates = { notBefore: now - 60_000, notAfter: now + certificateMs - 120_000 + at };
  return makeStatement({ type: 'certificate', mesh, stack, name, role, x25519: new Uint8Array(32), ...dates }, by);
}

function revoke(stack: string, by = founder): Statement {
  return makeStatement({ type: 'revocation', mesh, stack, at: now, survivors: [] }, by);
}

const base = [makeStatement(root, founder), certify(founder.stack, 'founder', 'admin')];

test('a roster that statements are added to is the one that is read from all of them', () => {
  const stacks = Array.from({ length: 8 }, (_, at) => identityOf(`stack-${at}`).stack);
  const pool = [
    certify(admin.stack, 'admin', 'admin'),
    ...stacks.map((stack, at) => certify(stack, `stack-${at}`, 'member', at, at % 2 ? admin : founder)),
    ...stacks.map((stack, at) => certify(stack, `renewed-${at}`, 'member', at < 4 ? at + 1_000 : at - 1_000, admin)),
    ...stacks.slice(0, 2).map((stack) => revoke(stack)),
    revoke(stacks[2] ?? '', admin),
  ];
  const view = (roster: ReturnType<typeof readRoster>) => [
    roster.digest,
    [...roster.memberships.values()].sort((a, b) => (a.stack < b.stack ? -1 : 1)),
  ];
  for (let seed = 1; seed <= 50; seed += 1) {
    const order = [...pool].sort(
      (a, b) => ((a.id.charCodeAt(seed) * seed) % 31) - ((b.id.charCodeAt(seed) * seed) % 31),
    );
    let known: readonly Statement[] = base;
    let roster = readRoster(mesh, known);
    for (const each of order) {
      const fresh = rightfulIn(roster, known, [each]);
      known = [...known, ...fresh];
      roster = extendRoster(roster, fresh, known);
      assert.deepEqual(view(roster), view(readRoster(mesh, known)));
    }
  }
});

test('of two rosters of 3,000 statements little more travels than what differs', async () => {
  const shared = Array.from({ length: 3_000 }, (_, at) => certify(identityOf(`s-${at}`).stack, `s-${at}`, 'member'));
  const [mine, theirs] = ['mine', 'theirs'].map((word) =>
    Array.from({ length: 5 }, (_, at) => certify(identityOf(`${word}-${at}`).stack, `${word}-${at}`, 'member')),
  );
  const hub = new MemoryHub();
  const ended = new AbortController();
  let carried = 0;
  const open = (word: string, own: readonly Statement[]) => {
    const database = openDatabase(':memory:', [registryMigrations]);
    const membership = new Membership(new RosterStore(database), identityOf(word), () => now);
    membership.enter(mesh, [...base, ...shared, ...own]);
    const network = hub.open(identityOf(word));
    network.setGate(() => 'member');
    const counted: Network = Object.create(network, {
      request: {
        value: async (...args: Parameters<Network['request']>) => {
          const answer = await network.request(...args);
          carried += args[2].byteLength + answer.byteLength;
          return answer;
        },
      },
      serve: { value: network.serve.bind(network) },
    });
    const parts = {
      network: counted,
      membership,
      clock: systemClock,
      signal: ended.signal,
      admit: () => undefined,
      stated: () => undefined,
    };
    return { database, membership, network, exchange: new RosterExchange(parts) };
  };
  using one = disposable(open('s-1', mine ?? []));
  using other = disposable(open('s-2', theirs ?? []));
  const signal = AbortSignal.timeout(5_000);
  await one.value.network.connect(identityOf('s-2').stack, other.value.network.addresses(), { signal });
  await one.value.exchange.with(identityOf('s-2').stack, other.value.membership.roster.digest);
  assert.equal(one.value.membership.roster.digest, other.value.membership.roster.digest);
  assert.equal(one.value.membership.statements.length, 3_012);
  const wireBytes = [...(mine ?? []), ...(theirs ?? [])].reduce((sum, { wire }) => sum + wire.byteLength, 0);
  // Ten ways of three levels, of 16 hashes each; the ids alone have 193 KB in hex.
  assert.ok(carried < wireBytes + 40_000, `${carried} bytes for ${wireBytes}`);
  ended.abort();
});

function disposable<T extends { database: Disposable }>(value: T): Disposable & { readonly value: T } {
  return { value, [Symbol.dispose]: () => value.database[Symbol.dispose]() };
}
