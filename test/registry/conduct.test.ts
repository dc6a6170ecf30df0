// What a peer may do and what follows when it does more: told step by step, with virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conduct } from '../../registry/replication/conduct.ts';

const open = (): Conduct => new Conduct({ batchMs: 150 });

test('a fault is told once a peer and kind, and again after ten minutes', () => {
  const conduct = open();
  assert.equal(conduct.fault('a', 'junk', 0).tell, true);
  assert.equal(conduct.fault('a', 'junk', 1_000).tell, false);
  assert.equal(conduct.fault('a', 'other-mesh', 1_000).tell, true);
  assert.equal(conduct.fault('b', 'junk', 1_000).tell, true);
  assert.equal(conduct.fault('a', 'junk', 600_000).tell, true);
});

test('ten forged messages cut a peer for a minute, ten more for two, and no cut is longer than an hour', () => {
  const conduct = open();
  let now = 0;
  const cuts: number[] = [];
  while (cuts.length < 9) {
    const { cutMs } = conduct.fault('a', 'refused-signature', now);
    if (cutMs === undefined) continue;
    cuts.push(cutMs);
    assert.ok(conduct.isCut('a', now + cutMs - 1));
    assert.ok(!conduct.isCut('a', now + cutMs));
    assert.ok(!conduct.isCut('b', now));
    now += cutMs;
  }
  assert.deepEqual(
    cuts.map((ms) => ms / 60_000),
    [1, 2, 4, 8, 16, 32, 60, 60, 60],
  );
});

test('faults far apart are forgiven, and a peer that did well for two hours begins at a minute again', () => {
  const conduct = open();
  for (let at = 0; at < 200; at += 1) assert.equal(conduct.fault('a', 'junk', at * 61_000).cutMs, undefined);
  const cutAt = (from: number): number => {
    for (;;) {
      const { cutMs } = conduct.fault('b', 'junk', from);
      if (cutMs !== undefined) return cutMs;
    }
  };
  assert.equal(cutAt(0), 60_000);
  assert.equal(cutAt(60_000), 120_000);
  assert.equal(cutAt(180_000 + 2 * 3_600_001), 60_000);
});

test('an owner that publishes its batches at the highest pace for an hour stays within its budget', () => {
  const conduct = open();
  // 1 MiB a second in pieces of 200 KiB, and small ones at each end of a batch.
  for (let now = 0; now < 3_600_000; now += 200) assert.ok(conduct.wrote('a', 200 * 1024, now), `at ${now}`);
  for (let now = 0; now < 3_600_000; now += 100) assert.ok(conduct.wrote('b', 500, now), `at ${now}`);
});

test('an owner above its budget is slowed to fifty messages a second, and its burst is bounded', () => {
  const conduct = open();
  let taken = 0;
  for (let at = 0; at < 10_000; at += 1) if (conduct.wrote('a', 100, at)) taken += 1;
  assert.ok(taken >= 500 && taken <= 701, `${taken}`);
});

test('a storm of what was sent before cuts its sender in the end (failure mode 3)', () => {
  const conduct = open();
  let sent = 0;
  while (!conduct.isCut('a', sent)) {
    conduct.fault('a', 'republish', sent);
    sent += 1;
  }
  assert.ok(sent > 900 && sent < 1_100, `${sent}`);
  // One a second, as when gossip brings what was pulled before, costs nothing.
  for (let at = 0; at < 10_000; at += 1) assert.equal(conduct.fault('b', 'republish', at * 1_000).cutMs, undefined);
});

test('a flood of requests is refused beyond a burst, for its sender alone (failure mode 36)', () => {
  const conduct = open();
  let taken = 0;
  for (let at = 0; at < 10_000; at += 1) if (conduct.sent('a', '/hermesh/heads/1.0.0', 100, at / 10)) taken += 1;
  assert.ok(taken <= 301, `${taken}`);
  assert.ok(conduct.sent('a', '/hermesh/roster/1.0.0', 100, 1_000), 'nor by another protocol');
  assert.ok(conduct.sent('b', '/hermesh/heads/1.0.0', 100, 1_000));
});

test('ten thousand peers leave two thousand to remember, and those that are cut stay cut', () => {
  const conduct = open();
  while (conduct.fault('bad', 'junk', 0).cutMs === undefined);
  for (let at = 0; at < 10_000; at += 1) conduct.sent(`peer ${at}`, '/hermesh/heads/1.0.0', 1, 0);
  assert.ok(conduct.isCut('bad', 1));
});
