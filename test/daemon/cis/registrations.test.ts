// The life of a CI that registered itself: late, gone silent, back again, and how many there may be.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { openLocalCis, type Registering } from '#daemon/cis';

const numa: Registering = {
  name: 'numa',
  version: '1',
  type: 'numa',
  endpoint: 'http://localhost:1',
  messageEndpoint: '/api/message',
  messageFormat: 'json_simple',
  headers: {},
  capabilities: [],
  metadata: {},
  authenticated: true,
};

/** Registrations over a table in memory; the clock moves only by `pass`, which also lets the sweeps of that time run. */
function open(context: TestContext) {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_700_000_000_000 });
  const rows = new Map<string, { id: string; body: string; tokenHash: string }>();
  const published = new Map<string, string>();
  const local = openLocalCis({
    rows: {
      list: () => [...rows.values()],
      put: (row) => void rows.set(row.id, row),
      remove: (id) => void rows.delete(id),
    },
    publish: (name, record) => void (record ? published.set(name, record.health) : published.delete(name)),
    transaction: (change) => change(),
    afterRollback: () => undefined,
    isTaken: (name) => name === 'berlin',
    now: Date.now,
    monotonic: Date.now,
    log: pino({ level: 'silent' }),
  });
  return { local, rows, published, pass: (seconds: number) => context.mock.timers.tick(seconds * 1000) };
}

test('a CI is stale after three silent intervals, and back with its next heartbeat', async (context) => {
  const { local, published, pass } = open(context);
  await using _closing = local;
  const { token, registration } = local.register({ ...numa, intervalMs: 10_000 });
  pass(25);
  assert.equal(published.get('numa'), 'healthy');
  pass(10);
  assert.equal(published.get('numa'), 'stale');
  local.heartbeat(registration.id, { token: token, isOwner: false });
  assert.equal(published.get('numa'), 'healthy');
});

test('a CI that was silent for 180 s is let go, its token with it; one that beats is kept', async (context) => {
  const { local, rows, published, pass } = open(context);
  await using _closing = local;
  const { token, registration } = local.register(numa);
  const other = local.register({ ...numa, name: 'other' });
  pass(100);
  local.heartbeat('other', { token: other.token, isOwner: false });
  pass(79);
  assert.deepEqual([...published.keys()].sort(), ['numa', 'other']);
  pass(6);
  assert.deepEqual([...published], [['other', 'healthy']]);
  assert.equal(rows.size, 1);
  assert.throws(() => local.heartbeat(registration.id, { token: token, isOwner: false }), { code: 'not-found' });
});

test('one stack takes 1,000 registrations and refuses the next, until one leaves', async (context) => {
  const { local } = open(context);
  await using _closing = local;
  for (let at = 0; at < 1_000; at += 1) local.register({ ...numa, name: `ci-${at}`, authenticated: false });
  assert.throws(() => local.register({ ...numa, name: 'late' }), { code: 'busy' });
  assert.doesNotThrow(() => local.register({ ...numa, name: 'ci-5' }), 'one that is there may register again');
  local.unregister('ci-7', { token: undefined, isOwner: false });
  assert.doesNotThrow(() => local.register({ ...numa, name: 'late' }));
});

test('who proved who it is may come back under another id, and nothing of the old one stays', async (context) => {
  const { local, rows } = open(context);
  await using _closing = local;
  const first = local.register({ ...numa, id: 'one' });
  local.register({ ...numa, id: 'two' });
  assert.deepEqual([...rows.keys()], ['two']);
  assert.throws(() => local.heartbeat('numa', { token: first.token, isOwner: false }), { code: 'unauthenticated' });
  assert.throws(() => local.register({ ...numa, name: 'Berlin' }), { code: 'bad-input' });
});

test('the place of a stranger that fell silent can be taken by another', async (context) => {
  const { local, pass } = open(context);
  await using _closing = local;
  local.register({ ...numa, authenticated: false });
  const other = { ...numa, endpoint: 'http://localhost:2', authenticated: false };
  assert.throws(() => local.register(other), { code: 'bad-input' });
  pass(100);
  assert.doesNotThrow(() => local.register(other));
});

test('the token itself is kept nowhere', async (context) => {
  const { local, rows } = open(context);
  await using _closing = local;
  const { token } = local.register(numa);
  assert.doesNotMatch(JSON.stringify([...rows.values(), ...local.list()]), new RegExp(token));
});

test("a CI gives way to a container's CI of its name, and its token opens nothing any more", async (context) => {
  const { local, rows, published } = open(context);
  await using _closing = local;
  const { token } = local.register(numa);
  local.register({ ...numa, name: 'other' });
  local.giveWay('nobody');
  assert.equal(rows.size, 2);
  local.giveWay('numa');
  assert.deepEqual([...published.keys()], ['other']);
  assert.equal(rows.size, 1);
  assert.throws(() => local.heartbeat('numa', { token, isOwner: false }), { code: 'not-found' });
});
