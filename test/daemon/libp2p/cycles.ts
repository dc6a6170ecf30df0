// Stacks that join over libp2p, write, leave and close, one after the other: what is held after each.
import { eventually } from '../../support/deadline.ts';
import { heldBytes } from '../../support/held-bytes.ts';
import { joinOver, openStack } from './stacks.ts';

/** Bytes held after each cycle, in one process that has the stack which stays and all that come and go. */
export async function cycles(count: number, say: (bytes: number) => void = () => undefined): Promise<number[]> {
  await using all = new AsyncDisposableStack();
  const hub = await openStack(all, 'hub');
  const held: number[] = [];
  for (let cycle = 0; cycle < count; cycle += 1) {
    await oneCycle(hub, cycle);
    const bytes = heldBytes();
    held.push(bytes);
    say(bytes);
  }
  return held;
}

async function oneCycle(hub: Awaited<ReturnType<typeof openStack>>, cycle: number): Promise<void> {
  await using parts = new AsyncDisposableStack();
  // One that comes back each time: another identity each time would be one more statement in the roster.
  const joiner = await openStack(parts, 'joiner');
  await joinOver(joiner, hub);
  joiner.registry.write([{ kind: 'note', name: 'n', body: { text: `cycle ${cycle}` } }]);
  await eventually(
    'its note is there',
    () =>
      hub.registry.directory
        .list<{ text: string }>({ kind: 'note' })
        .some(({ body }) => body.text === `cycle ${cycle}`),
    { timeoutMs: 20_000 },
  );
  await joiner.registry.leave();
}
