// Fleets that start: all at once after all were gone, without those they first knew, and many that join at one moment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeFleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';

const recoverWithinMs = 90_000;

test('five stacks that were killed together and start at once find one another and have all records (failure mode 27)', async () => {
  await using fleet = await startFleet(['one', 'two', 'three', 'four', 'five']);
  const written: string[] = [];
  for (const stack of fleet.stacks) {
    await stack.register(`of-${stack.name}`);
    written.push(`of-${stack.name}`);
  }
  await showComponents(fleet.stacks, written);
  await Promise.all(fleet.stacks.map((stack) => stack.kill('SIGKILL')));
  await Promise.all(fleet.stacks.map((stack) => stack.start()));
  await seeOneAnother(fleet.stacks, recoverWithinMs);
  await showComponents(fleet.stacks, written, { timeoutMs: recoverWithinMs });
});

test('a stack that starts when the one that let it in is gone for good finds the mesh by another member (failure mode 39)', async () => {
  await using fleet = await startFleet(['founder', 'early', 'late']);
  const [founder, early, late] = fleet.stacks;
  assert.ok(founder && early && late);
  await founder.register('of-the-founder');
  await showComponents(fleet.stacks, ['of-the-founder']);
  await late.kill('SIGKILL');
  await founder.kill('SIGKILL');
  await early.register('of-early');
  await late.start();
  await late.register('of-late');
  await showComponents([early, late], ['of-early', 'of-late'], { exactly: false, timeoutMs: recoverWithinMs });
  await seeOneAnother([early, late], recoverWithinMs);
});

test('eight stacks that join from one address at one moment are all let in (failure mode 4)', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `joiner-${index}`);
  await using parts = new AsyncDisposableStack();
  const founder = parts.use(await makeFleetStack('founder'));
  await founder.start();
  const joiners = [];
  for (const name of names) {
    const joiner = parts.use(await makeFleetStack(name));
    await joiner.start();
    joiners.push(joiner);
  }
  const { token } = (await founder.client.call('POST', '/api/mesh/invites', { uses: names.length })) as {
    token: string;
  };
  await Promise.all(joiners.map((joiner) => joiner.client.call('POST', '/api/mesh/join', { token })));
  await seeOneAnother([founder, ...joiners], recoverWithinMs);
  await Promise.all(joiners.map((joiner) => joiner.register(`of-${joiner.name}`)));
  await showComponents(
    [founder, ...joiners],
    names.map((name) => `of-${name}`),
  );
});
