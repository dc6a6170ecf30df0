// Operations on who belongs to the mesh: each stands with its audit entry or not at all, and what they say afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemons, type Stack } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

const registryOf = (stack: Stack) => stack.node.context.registry;

test('where the audit log takes no entry, revoking, leaving and joining change nothing', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  const rome = await daemons.open('rome');
  assert.ok(berlin && paris);
  const invite = await berlin.ask('POST', '/api/mesh/invites', {});
  const { token } = invite.body;
  // The inviter let rome in, and answers it the same when it asks again.
  const others = (stack: Stack): string[] =>
    registryOf(stack)
      .members()
      .map(({ name }) => name)
      .filter((name) => stack === rome || name !== 'rome');
  const view = (stack: Stack): unknown => [registryOf(stack).mesh(), others(stack)];
  const before = [berlin, paris, rome].map(view);
  for (const { node } of [berlin, rome]) {
    const { audit } = node.context;
    const append = audit.append.bind(audit);
    audit.append = (entry) => {
      if (entry.outcome === 'done') throw new Error('the audit log is full');
      return append(entry);
    };
  }
  const answers = [
    await berlin.ask('DELETE', '/api/stacks/paris'),
    await berlin.ask('POST', '/api/mesh/leave', {}),
    await rome.ask('POST', '/api/mesh/join', { token }),
    await rome.ask('POST', '/api/mesh/leave', {}),
    await berlin.ask('POST', '/api/mesh/root', { admins: 'berlin,paris', threshold: 1 }),
    await berlin.ask('POST', '/api/stacks/paris/pardon', {}),
  ];
  for (const { status, body } of answers)
    assert.deepEqual([status, body.error.message], [500, 'the audit log is full']);
  assert.deepEqual([berlin, paris, rome].map(view), before);
  assert.equal(registryOf(berlin).roots().chain.length, 1);
});

test('two admins rotate the root: the first is told who must sign, the second approves, and all see it', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const first = await berlin.ask('POST', '/api/mesh/root', { admins: 'berlin, paris', threshold: 2 });
  assert.deepEqual([first.status, first.body.version, first.body.stands], [200, 2, true]);
  await eventually('paris has it', () => registryOf(paris).roots().chain.length === 2);
  const asked = await berlin.ask('POST', '/api/mesh/root', { admins: 'paris', threshold: 1 });
  assert.deepEqual([asked.body.stands, asked.body.missing], [false, 1]);
  assert.deepEqual(
    asked.body.maySign.map(({ name }: { name: string }) => name),
    ['paris'],
  );
  await eventually('it waits at paris', () => registryOf(paris).roots().proposals.length === 1);
  const approved = await paris.ask('POST', '/api/mesh/root', { approve: true });
  assert.equal(approved.body.stands, true);
  await eventually('berlin has it', () => registryOf(berlin).roots().chain.length === 3);
  const { body } = await berlin.ask('GET', '/api/mesh/root');
  assert.deepEqual(
    body.chain.map((root: { threshold: number; statements: string[] }) => [root.threshold, root.statements.length]),
    [
      [1, 1],
      [2, 1],
      [1, 2],
    ],
  );
  const late = await berlin.ask('POST', '/api/mesh/invites', {});
  assert.equal(late.body.error.code, 'not-admin');
  const both = await paris.ask('POST', '/api/mesh/root', { approve: true, admins: 'paris' });
  assert.equal(both.status, 422);
});

test('a drained stack says so to all until it ends that, also when its daemon starts anew', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const draining = async () => {
    const { body } = await berlin.ask('GET', '/api/stacks');
    return body.stacks.find(({ name }: { name: string }) => name === 'paris').draining?.why;
  };
  const drained = await paris.ask('POST', '/api/drain', { why: 'new disk' });
  assert.equal(drained.body.draining, true);
  await eventually('berlin is told', async () => (await draining()) === 'new disk');
  await paris[Symbol.asyncDispose]();
  const again = await daemons.open('paris', { home: paris.home });
  const own = registryOf(again).directory.get<{ draining?: { why: string } }>('stack', 'paris');
  assert.equal(own?.body.draining?.why, 'new disk');
  const ended = await again.ask('POST', '/api/drain', { end: true });
  assert.deepEqual(ended.body, { draining: false });
  await eventually('berlin is told', async () => (await draining()) === undefined);
});

test('a stack is not started in another zone than its certificate says, unless it is alone, and is told how to move', async () => {
  await using daemons = new Daemons();
  const zoneOf = (stack: Stack) => registryOf(stack).member(registryOf(stack).stack)?.zone;
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  await paris[Symbol.asyncDispose]();
  const { home } = paris;
  await assert.rejects(daemons.open('paris', { home, settings: { zone: 'north' } }), {
    code: 'bad-config',
    message: 'Cannot start "paris" in the zone "north": its certificate is for the zone without a name',
    mend: /leave --zone out; to move it.*"hermesh leave".*--zone north --join TOKEN/,
  });
  // The mend does what it says.
  const again = await daemons.open('paris', { home });
  assert.equal((await again.ask('POST', '/api/mesh/leave', {})).status, 200);
  await again[Symbol.asyncDispose]();
  const { token } = (await berlin.ask('POST', '/api/mesh/invites', {})).body;
  const moved = await daemons.open('paris', { home, settings: { zone: 'north' }, join: token });
  assert.deepEqual([zoneOf(moved), registryOf(moved).mesh().id], ['north', registryOf(berlin).mesh().id]);
  await moved[Symbol.asyncDispose]();
  for (const settings of [{}, { zone: 'north' }]) {
    const known = await daemons.open('paris', { home, settings });
    assert.equal(zoneOf(known), 'north');
    await known[Symbol.asyncDispose]();
  }

  const rome = await daemons.open('rome');
  await rome[Symbol.asyncDispose]();
  const alone = await daemons.open('rome', { home: rome.home, settings: { zone: 'south' } });
  assert.equal(zoneOf(alone), 'south');
});
