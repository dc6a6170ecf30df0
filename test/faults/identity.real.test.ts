// One identity in two states of its past, in two places at once, or no longer wanted: restores, clones, revocations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { type FleetStack, makeFleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { backUp, copyOf, quarantined, stackOf } from './homes.ts';

test('a stack whose home was put back from an old backup takes part again, under a new epoch (failure mode 12)', async () => {
  await using fleet = await startFleet(['one', 'restored', 'three']);
  const restored = stackOf(fleet.stacks, 'restored');
  await restored.register('in-the-backup');
  await showComponents(fleet.stacks, ['in-the-backup']);
  await using backup = await backUp(restored);
  for (const index of [1, 2, 3]) await restored.register(`after-the-backup-${index}`);
  await stackOf(fleet.stacks, 'one').register('of-one');
  await showComponents(
    fleet.stacks,
    [1, 2, 3].map((index) => `after-the-backup-${index}`),
    { exactly: false },
  );
  await backup.putBack();
  await seeOneAnother(fleet.stacks);
  await restored.register('after-the-restore');
  await showComponents(fleet.stacks, ['in-the-backup', 'of-one', 'after-the-restore'], { exactly: false });
});

test('a stack that was put back exactly as many writes as it then makes, while nobody else is there, loses none of them and harms no one (failure mode 12)', async () => {
  await using fleet = await startFleet(['one', 'restored', 'three']);
  const restored = stackOf(fleet.stacks, 'restored');
  const others = fleet.stacks.filter((stack) => stack !== restored);
  await restored.register('in-the-backup');
  await using backup = await backUp(restored);
  for (const index of [1, 2, 3]) await restored.register(`lost-${index}`);
  await showComponents(others, ['in-the-backup', 'lost-1', 'lost-2', 'lost-3']);
  for (const other of others) await other.kill('SIGKILL');
  await backup.putBack();
  // The places in the feed that the lost ones had, signed again: only another epoch keeps that from being a second history.
  const written = [1, 2, 3].map((index) => `instead-${index}`);
  for (const name of written) await restored.register(name);
  for (const other of others) await other.start();
  await seeOneAnother(fleet.stacks);
  await restored.register('later');
  await showComponents(fleet.stacks, ['in-the-backup', ...written, 'later'], { exactly: false });
  for (const stack of fleet.stacks) assert.deepEqual(await quarantined(stack), []);
});

test('a cloned home that is started beside the first is no reason to lose what other stacks wrote (failure mode 13)', async () => {
  await using fleet = await startFleet(['one', 'cloned', 'three']);
  const cloned = stackOf(fleet.stacks, 'cloned');
  await cloned.register('of-the-first');
  await showComponents(fleet.stacks, ['of-the-first']);
  await using copy = await copyOf(cloned);
  await using twin = await makeFleetStack('cloned', { home: copy.directory });
  // Its database is a copy of one that was in use, and its key is the other's: it may run, but must harm nobody else.
  await twin.start();
  await twin.register('of-the-twin');
  const rest = fleet.stacks.filter((stack) => stack !== cloned);
  for (const stack of rest) await stack.register(`of-${stack.name}`);
  await showComponents(
    rest,
    rest.map(({ name }) => `of-${name}`),
    { exactly: false },
  );
  await seeOneAnother(rest);
});

test('a stack that is revoked while it is connected is cut off at once, and does not come back by a restart (failure mode 16)', async () => {
  await using fleet = await startFleet(['admin', 'revoked', 'three']);
  const admin = stackOf(fleet.stacks, 'admin');
  const revoked = stackOf(fleet.stacks, 'revoked');
  const three = stackOf(fleet.stacks, 'three');
  await revoked.register('of-the-revoked');
  await showComponents(fleet.stacks, ['of-the-revoked']);
  await admin.client.call('DELETE', '/api/stacks/revoked');
  const isOut = async (stack: FleetStack): Promise<boolean> => {
    const one = (await stack.stacks()).find(({ name }) => name === 'revoked');
    return one === undefined || one.liveness.state === 'revoked';
  };
  for (const stack of [admin, three]) {
    await eventually(`"${stack.name}" knows of the revocation`, () => isOut(stack));
    await showComponents([stack], []);
  }
  await admin.register('secret-of-the-rest');
  await showComponents([admin, three], ['secret-of-the-rest']);
  await revoked.register('unheard');
  await revoked.kill('SIGTERM');
  await revoked.start();
  await revoked.register('unheard-again');
  // A round of anti-entropy of everybody would have brought it by now: each of the others meets within these.
  await three.register('later');
  await showComponents([admin, three], ['secret-of-the-rest', 'later']);
  assert.ok(!(await revoked.components()).includes('secret-of-the-rest'), 'it is told nothing more');
  assert.ok(await isOut(three));
});

test('a revoked stack is kept out by one that was away when it was revoked and had it from a third (failure mode 16)', async () => {
  await using fleet = await startFleet(['admin', 'revoked', 'away', 'third']);
  const [admin, revoked, away, third] = ['admin', 'revoked', 'away', 'third'].map((name) =>
    stackOf(fleet.stacks, name),
  ) as [FleetStack, FleetStack, FleetStack, FleetStack];
  await away.kill('SIGTERM');
  await admin.client.call('DELETE', '/api/stacks/revoked');
  const isOut = async (stack: FleetStack): Promise<boolean> => {
    const one = (await stack.stacks()).find(({ name }) => name === 'revoked');
    return one === undefined || one.liveness.state === 'revoked';
  };
  await eventually('the third knows of the revocation', () => isOut(third));
  // From here on only the third can tell: the revoked one and the one that was away begin with the roster of before.
  await admin.kill('SIGKILL');
  await away.start();
  await eventually('the one that was away knows', () => isOut(away), { timeoutMs: 60_000 });
  await revoked.kill('SIGTERM');
  await revoked.start();
  await revoked.register('unheard');
  await away.register('of-away');
  await third.register('of-third');
  await showComponents([away, third], ['of-away', 'of-third']);
  assert.ok((await isOut(away)) && (await isOut(third)));
  assert.ok(!(await revoked.components()).includes('of-away'), 'it is told nothing');
});
