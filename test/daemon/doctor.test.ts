// The doctor: what it finds without a daemon and with one, and each reason for which an invite would not do.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { type Check, checkHost, checkToken } from '#daemon/doctor';
import { openLibp2pNetwork, requestWithKey } from '#daemon/libp2p';
import {
  checkInvite,
  loadOrMakeIdentity,
  openDatabase,
  openRegistry,
  registryMigrations,
  systemClock,
} from '#registry';
import { readToken, writeToken } from '../../registry/roster/token.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf, silentLog } from '../support/constellation.ts';
import { Daemons } from '../support/daemons.ts';

const wrongs = (checks: readonly Check[]): string[] =>
  checks.filter(({ state }) => state === 'wrong').map(({ what }) => what);

const anyPort = '/ip4/127.0.0.1/tcp/0';
const soon = () => ({ random: randomBytes, signal: AbortSignal.timeout(30_000) });

/** A stack that is reached over TCP. */
async function openStack(parts: AsyncDisposableStack, name: string, now = Date.now, identity = identityOf(name)) {
  const network = parts.use(await openLibp2pNetwork({ identity, listen: [anyPort], log: silentLog }));
  const database = parts.use(openDatabase(':memory:', [registryMigrations]));
  const clock = { ...systemClock, now };
  const options = {
    database,
    identity,
    name,
    network,
    kinds: [],
    mayStand: () => undefined,
    clock,
    random: randomBytes,
  };
  return parts.use(await openRegistry({ ...options, log: silentLog }));
}

test('without a daemon it tells of the home, the identity, the database and the disk, and makes nothing', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  await stack[Symbol.asyncDispose]();
  assert.deepEqual(wrongs(await checkHost(stack.home, process.version)), []);
  assert.deepEqual(wrongs(await checkHost(stack.home, 'v20.1.0')), ['node']);
  await chmod(stack.home, 0o755);
  await chmod(path.join(stack.home, 'identity.json'), 0o644);
  await writeFile(path.join(stack.home, 'hermesh.sqlite'), 'no database at all');
  const found = await checkHost(stack.home, process.version);
  assert.deepEqual(wrongs(found), ['home', 'identity', 'database']);
  assert.ok(
    found.every(({ state, mend }) => state !== 'wrong' || mend),
    'each with its mend',
  );
  const empty = path.join(stack.home, 'none');
  assert.deepEqual(wrongs(await checkHost(empty, process.version)), []);
  await assert.rejects(mkdir(path.join(empty, 'below')), 'nothing was made');
});

test('with a daemon it tells of the clock, the certificate, the members, the addresses and the engine', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const { body } = await berlin.ask('POST', '/api/doctor', {});
  assert.equal(body.well, true);
  const whats = body.checks.map(({ what }: Check) => what);
  for (const what of ['clock', 'certificate', 'members', 'address', 'engine']) assert.ok(whats.includes(what), what);
  for (const name of ['x', 'y', 'z']) {
    const third = await daemons.open(name);
    const { token } = (await berlin.ask('POST', '/api/mesh/invites', {})).body;
    await third.ask('POST', '/api/mesh/join', { token });
    // Gone, so that its own clock is not heard any more.
    await third[Symbol.asyncDispose]();
    const sample = { stack: third.node.context.registry.stack, offsetMs: 3_600_000, roundTripMs: 1 };
    berlin.node.context.registry.timeSample(sample);
  }
  const later = await berlin.ask('POST', '/api/doctor', {});
  assert.equal(later.body.well, false);
  assert.match(later.body.checks.find(({ what }: Check) => what === 'clock').found, /60 minutes behind/);
});

test('an invite is tried without being used up, and each reason why it would not do is named with its mend', async () => {
  await using parts = new AsyncDisposableStack();
  await using daemons = new Daemons();
  const home = await daemons.home('joiner');
  let now = Date.now();
  const one = await openStack(parts, 'one', () => now);
  const check = (token: string, name = 'joiner', at = home): Promise<Check> =>
    checkToken(token, { home: at, name, random: randomBytes, signal: AbortSignal.timeout(20_000) });
  const invite = (uses = 1, expiresInMs = 600_000): string =>
    one.createInvite({ role: 'member', expiresInMs, uses }).token;
  const said = async (token: string, expected: RegExp, mend: RegExp, name?: string): Promise<void> => {
    const found = await check(token, name);
    assert.equal(found.state, 'wrong', found.found);
    assert.match(found.found, expected);
    assert.match(found.mend ?? '', mend);
  };

  const good = invite();
  for (let at = 0; at < 3; at += 1) assert.equal((await check(good)).state, 'well');
  assert.equal(one.members().length, 1, 'nobody was let in');

  await said(good.slice(0, -4), /missing or changed/, /whole line/);
  await said(`${good.slice(0, 40)}A${good.slice(41)}`, /missing or changed/, /whole line/);
  await said(good, /"one" is the name of/, /another --name/, 'one');
  const token = readToken(good);
  await said(writeToken({ ...token, mesh: 'f'.repeat(64) }), /another mesh/, /new invite/);
  await said(writeToken({ ...token, secret: new Uint8Array(32) }), /does not know the invite/, /new invite/);
  await said(writeToken({ ...token, expiresAt: 1 }), /ran out/, /new invite/);

  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const nowhere = `/ip4/127.0.0.1/tcp/${port}/p2p/${one.stack}`;
  await said(
    writeToken({ ...token, addresses: [nowhere] }),
    new RegExp(`connection refused at ${nowhere}`),
    /open its port/,
  );
  // A port that takes connections and says nothing.
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  parts.defer(() => void silent.close());
  const mute = `/ip4/127.0.0.1/tcp/${(silent.address() as AddressInfo).port}/p2p/${one.stack}`;
  await said(writeToken({ ...token, addresses: [mute, nowhere] }), /timed out at .*refused at /, /open its port/);

  const two = await openStack(parts, 'two');
  await two.join(good, { signal: AbortSignal.timeout(10_000) });
  await said(good, /new invite, or one with more uses/, /for more stacks/);
  now += 3_600_000;
  const ahead = invite();
  await said(ahead, /60 minutes behind the inviting/, /clock of both/);
});

test('who was revoked is told so, with the way to join as another stack', async () => {
  await using parts = new AsyncDisposableStack();
  await using daemons = new Daemons();
  const home = await daemons.home('joiner');
  const identity = await loadOrMakeIdentity(home);
  const one = await openStack(parts, 'one');
  const joiner = await openStack(parts, 'joiner', Date.now, identity);
  const token = (): string => one.createInvite({ role: 'member', expiresInMs: 600_000, uses: 1 }).token;
  await joiner.join(token(), { signal: AbortSignal.timeout(10_000) });
  await one.revoke('joiner');
  const { state, found, mend } = await checkToken(token(), { home, name: 'joiner', ...soon() });
  assert.equal(state, 'wrong');
  assert.match(found, /was revoked for ever/);
  assert.match(mend ?? '', /an empty --home DIR/);
});

test('an inviting stack of another version is told of, whether it serves another protocol, or cannot read, or be read', async () => {
  await using parts = new AsyncDisposableStack();
  await using daemons = new Daemons();
  const home = await daemons.home('joiner');
  const one = await openStack(parts, 'one');
  const token = readToken(one.createInvite({ role: 'member', expiresInMs: 600_000, uses: 1 }).token);
  const answers: readonly (readonly [string, Uint8Array | undefined, RegExp])[] = [
    ['join/2.0.0', undefined, /another version/],
    ['join/1.0.0', toBytes({ welcome: true }), /cannot be read/],
    [
      'join/1.0.0',
      toBytes({ code: 'version-mismatch', message: 'the request cannot be read there' }),
      /cannot be read/,
    ],
  ];
  for (const [at, [protocol, answer, expected]] of answers.entries()) {
    const other = identityOf(`of another version ${at}`);
    const network = parts.use(await openLibp2pNetwork({ identity: other, listen: [anyPort], log: silentLog }));
    network.setGate(() => 'invite');
    const bounds = { access: 'invite', maxRequestBytes: 4_096, timeoutMs: 5_000 } as const;
    network.serve(`/hermesh/${protocol}`, bounds, async () => answer ?? new Uint8Array());
    const line = writeToken({ ...token, stack: other.stack, addresses: [...network.addresses()] });
    const { state, found, mend } = await checkToken(line, { home, name: 'joiner', ...soon() });
    assert.equal(state, 'wrong');
    assert.match(found, expected);
    assert.match(mend ?? '', /the same version of Hermesh on both/);
  }
});

/** A port in front of a stack that closes so many connections before it looks who is there, as one does with too many. */
async function openCrowded(parts: AsyncDisposableStack, address: string, times: number) {
  const [, port, stack] = /\/tcp\/(\d+)\/p2p\/(.*)$/.exec(address) ?? [];
  let closed = 0;
  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (closed < times) {
      closed += 1;
      near.end();
      return;
    }
    const far = connect(Number(port), '127.0.0.1');
    far.on('error', () => undefined);
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  parts.defer(() => void server.close());
  const at = `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${stack}`;
  return { at, closed: () => closed };
}

test('a stack that the inviting one has no time for tries again until it is let in, and gives up in the end (failure mode 4)', async () => {
  await using parts = new AsyncDisposableStack();
  const one = await openStack(parts, 'one');
  const token = readToken(one.createInvite({ role: 'member', expiresInMs: 600_000, uses: 1 }).token);
  const crowded = await openCrowded(parts, token.addresses[0] ?? '', 2);
  const two = await openStack(parts, 'two');
  await two.join(writeToken({ ...token, addresses: [crowded.at] }), { signal: AbortSignal.timeout(30_000) });
  assert.equal(crowded.closed(), 2);
  assert.deepEqual([two.mesh().id, one.members().length], [one.mesh().id, 2]);

  // A clock that goes eight times as fast: it asks for 20 s of it.
  const factor = 8;
  const clock = {
    ...systemClock,
    monotonic: () => systemClock.monotonic() * factor,
    after: (ms: number, act: () => void) => systemClock.after(ms / factor, act),
  };
  const always = await openCrowded(parts, token.addresses[0] ?? '', Number.POSITIVE_INFINITY);
  const facts = { identity: identityOf('three'), name: 'three', network: { requestWithKey }, addresses: [], clock };
  await assert.rejects(
    checkInvite(writeToken({ ...token, addresses: [always.at] }), { ...facts, nonce: randomBytes(16) }, soon()),
    { code: 'timed-out', message: /too much to do to answer; try again in a minute/ },
  );
  assert.ok(always.closed() > 1, `${always.closed()} times`);
});
