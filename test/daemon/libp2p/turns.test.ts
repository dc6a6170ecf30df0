// Turns: how many are served at once, and that one who holds its own keeps nobody else waiting.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../daemon/libp2p/turns.ts';

const never = (): { signal: AbortSignal } => ({ signal: new AbortController().signal });

test('of sixty who ask at once as many have a turn as there are turns, and all have one in the end (failure mode 33)', async () => {
  const turns = new Turns(16);
  let now = 0;
  let most = 0;
  let served = 0;
  const ask = async (peer: string): Promise<void> => {
    using _turn = await turns.take(peer, never());
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    served += 1;
  };
  await Promise.all(Array.from({ length: 240 }, (_, at) => ask(`peer ${at % 60}`)));
  assert.deepEqual([most, served, now], [16, 240, 0]);
});

test('a peer that never ends its turns has its share of them, and others are served', async () => {
  const turns = new Turns(16);
  const kept = await Promise.all([turns.take('slow', never()), turns.take('slow', never())]);
  const end = new AbortController();
  const third = turns.take('slow', end);
  for (let at = 0; at < 14; at += 1) (await turns.take(`peer ${at}`, never()))[Symbol.dispose]();
  end.abort(new Error('it had its time'));
  await assert.rejects(third, /it had its time/);
  for (const turn of kept) turn[Symbol.dispose]();
  // A turn that is ended twice is one.
  kept[0]?.[Symbol.dispose]();
  const all = await Promise.all(Array.from({ length: 16 }, (_, at) => turns.take(`peer ${at}`, never())));
  let isOver = true;
  const seventeenth = turns.take('late', never()).then(() => {
    isOver = false;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOver, true);
  all[3]?.[Symbol.dispose]();
  await seventeenth;
});
