// The twin in memory keeps the contract, and its controls do what a real engine would show.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeMemoryEngine } from '#container-ci';
import { engineContract } from './engine.contract.ts';

engineContract('in memory', async () => {
  const { engine, controls } = makeMemoryEngine();
  controls.addImage('app:1', { ports: [8080], output: ['ready'] });
  controls.addImage('failing:1', { exitCode: 3 });
  return { engine, image: 'app:1', failing: 'failing:1', [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
});

test('a lost engine in memory answers nothing and breaks its streams, until it is mended', async () => {
  const { engine, controls } = makeMemoryEngine();
  const { signal } = new AbortController();
  const next = engine.events({ signal })[Symbol.asyncIterator]().next();
  controls.lose();
  await assert.rejects(next, { code: 'engine-unreachable' });
  await assert.rejects(engine.info({ signal }), { code: 'engine-unreachable', mayRetry: true });
  controls.mend();
  assert.equal((await engine.info({ signal })).kind, 'memory');
});
