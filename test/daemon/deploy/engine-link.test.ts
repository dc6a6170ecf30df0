// What a stack says of its engine, over the engine's losses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeEngine, type EngineState, stateNow } from '../../../daemon/deploy/engine-link.ts';

const info = {
  id: 'E',
  kind: 'docker',
  version: '20.10',
  operatingSystem: 'Debian',
  memoryBytes: 2 ** 33,
  cpus: 2,
  platform: 'linux/amd64',
  folder: '/var/lib/docker',
} as const;
const connected: EngineState = { state: 'connected', info };

test('an engine that its observer lost is unreachable with the reason, and connected again when it is found', () => {
  let heard = { reachable: true, reason: undefined as string | undefined };
  const observer = { engineState: () => heard };
  assert.deepEqual(stateNow(connected, observer), connected);
  heard = { reachable: false, reason: 'nobody listens' };
  const lost = stateNow(connected, observer);
  assert.deepEqual(lost, { state: 'unreachable', info, reason: 'nobody listens' });
  assert.equal(describeEngine(lost), 'docker 20.10, unreachable: nobody listens');
  heard = { reachable: true, reason: undefined };
  assert.equal(describeEngine(stateNow(connected, observer)), 'docker 20.10');
});

test('a stack without an engine says why', () => {
  const none: EngineState = { state: 'none', reason: 'started with --engine none' };
  assert.equal(describeEngine(stateNow(none, undefined)), 'none (started with --engine none)');
});
