// One identity in two states of its past, in two places at once, or no longer wanted: restores, clones, revocations.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { type FleetStack, makeFleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';

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

interface Copy extends AsyncDisposable {
  readonly directory: string;
}

async function copyOf(stack: FleetStack): Promise<Copy> {
  const directory = await mkdtemp(path.join(tmpdir(), 'hermesh-copy-'));
  await cp(stack.home, directory, {
    recursive: true,
    filter: (source) => !/\.sock$|\.pid$|[/]lock$/.test(source),
  });
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

/** Takes a copy of the home while the daemon is down, starts it again, and puts the copy back later. */
async function backUp(stack: FleetStack): Promise<AsyncDisposable & { putBack(): Promise<void> }> {
  await stack.kill('SIGTERM');
  const copy = await copyOf(stack);
  await stack.start();
  return {
    async putBack() {
      await stack.kill('SIGKILL');
      await rm(stack.home, { recursive: true });
      await cp(copy.directory, stack.home, { recursive: true });
      await stack.start();
    },
    [Symbol.asyncDispose]: () => copy[Symbol.asyncDispose](),
  };
}

function stackOf(stacks: readonly FleetStack[], name: string): FleetStack {
  const found = stacks.find((one) => one.name === name);
  assert.ok(found);
  return found;
}
