// The records of Container CIs, over a real observer of the engine in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { makeMemoryEngine, openObserver } from '#container-ci';
import { keepContainerRecords } from '#daemon/cis';
import type { Registry, Write } from '#registry';
import { eventually } from '../../support/deadline.ts';

test("a container's CI takes its name from whoever registered under it before, and its record goes with it", async () => {
  const { engine, controls } = makeMemoryEngine();
  controls.addImage('app:1');
  const log = pino({ level: 'silent' });
  await using observer = await openObserver({
    engine,
    intentOf: () => undefined,
    peerHealth: () => undefined,
    now: Date.now,
    random: Math.random,
    log,
  });
  const stop = new AbortController();
  const { signal } = stop;
  const written: Write[] = [];
  const gaveWay: string[] = [];
  const registry = { stack: 's', directory: { list: () => [] }, write: (changes: Write[]) => written.push(...changes) };
  const local = { giveWay: (name: string) => void gaveWay.push(name) };
  const keeping = keepContainerRecords(observer, registry as unknown as Registry, local, log, { signal });
  await engine.createNetwork('n', {}, { signal });
  const network = { name: 'n', aliases: [] };
  const id = await engine.createContainer(
    { name: 'web', image: 'app:1', labels: {}, network, publish: [], restart: 'no' },
    { signal },
  );
  await eventually('its record is written', () =>
    written.some(({ name, body }) => name === 'web-ci' && body !== undefined),
  );
  assert.ok(gaveWay.includes('web-ci'), 'before its record was written');
  await engine.removeContainer(id, { signal });
  await eventually('its record is gone', () => written.at(-1)?.name === 'web-ci' && written.at(-1)?.body === undefined);
  stop.abort();
  await keeping;
});
