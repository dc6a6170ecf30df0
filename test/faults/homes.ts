// Homes as files: copied, put back, and who is whose in a fleet.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FleetStack } from '../support/fleet.ts';

export interface Copy extends AsyncDisposable {
  readonly directory: string;
}

/** A copy of a home without what belongs to the running process. */
export async function copyOf(stack: FleetStack): Promise<Copy> {
  const directory = await mkdtemp(path.join(tmpdir(), 'hermesh-copy-'));
  await cp(stack.home, directory, {
    recursive: true,
    filter: (source) => !/\.sock$|\.pid$|[/]lock$/.test(source),
  });
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

/** Takes a copy of the home while the daemon is down, starts it again, and puts the copy back later. */
export async function backUp(stack: FleetStack): Promise<AsyncDisposable & { putBack(): Promise<void> }> {
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

/** The stack of that name. */
export function stackOf(stacks: readonly FleetStack[], name: string): FleetStack {
  const found = stacks.find((one) => one.name === name);
  assert.ok(found);
  return found;
}

/** The names of the stacks that this one takes nothing more from. */
export async function quarantined(stack: FleetStack): Promise<string[]> {
  return (await stack.stacks()).flatMap(({ name, quarantine }) => (quarantine === undefined ? [] : [name]));
}
