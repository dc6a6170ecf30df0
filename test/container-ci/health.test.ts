// Health goes from starting to healthy or unhealthy by probes, and probes ask a real server from outside.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import type { ContainerState } from '#container-ci';
import { afterProbe, afterState, type Health, makeHealth } from '../../container-ci/health.ts';
import { type HealthCheck, probe } from '../../container-ci/probe.ts';

const patience = { retries: 3, startPeriodMs: 10_000 };
const feed = (health: Health, answers: readonly [number, boolean][]): Health =>
  answers.reduce((now, [at, ok]) => afterProbe(now, { at, ok, said: ok ? 'well' : 'no' }, patience, 0), health);

test('a container is starting until a probe succeeds, and failures of its start period do not count', () => {
  const starting = feed(makeHealth('starting', 0), [
    [1000, false],
    [5000, false],
    [9000, false],
  ]);
  assert.deepEqual([starting.status, starting.failures, starting.lastAnswer?.said], ['starting', 0, 'no']);
  assert.equal(feed(starting, [[9500, true]]).status, 'healthy');
  const late = feed(starting, [
    [10_000, false],
    [11_000, false],
  ]);
  assert.equal(late.status, 'starting');
  assert.deepEqual(feed(late, [[12_000, false]]).status, 'unhealthy');
});

test('a healthy container becomes unhealthy after the retries in a row, and healthy again after one success', () => {
  const healthy = feed(makeHealth('starting', 0), [[100, true]]);
  const shaken = feed(healthy, [
    [200, false],
    [300, false],
    [400, true],
    [500, false],
    [600, false],
  ]);
  assert.deepEqual([shaken.status, shaken.since, shaken.failures], ['healthy', 100, 2]);
  const ill = feed(shaken, [[700, false]]);
  assert.deepEqual([ill.status, ill.since], ['unhealthy', 700]);
  assert.deepEqual(feed(ill, [[800, true]]).failures, 0);
});

test('a container that ends is stopped, and one that starts again begins anew', () => {
  const healthy = feed(makeHealth('starting', 0), [[100, true]]);
  const stopped = afterState(healthy, { status: 'exited' }, 200, false);
  assert.deepEqual([stopped.status, stopped.since], ['stopped', 200]);
  assert.equal(afterProbe(stopped, { at: 300, ok: true, said: 'well' }, patience, 0), stopped);
  assert.equal(afterState(stopped, { status: 'running' }, 400, true).status, 'starting');
  assert.equal(afterState(healthy, { status: 'running' }, 400, false), healthy);
  assert.equal(afterState(healthy, { status: 'running' }, 400, true).status, 'starting');
});

const state = { id: 'x', addresses: [{ network: 'n', address: '127.0.0.1' }] } as unknown as ContainerState;
const noSockets = { sockets: async () => [] };
const patient = { interval_seconds: 5, timeout_seconds: 1, retries: 3, start_period_seconds: 10 };

test('an HTTP probe tells the status it got, and the first words of what it did not want', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/slow') return;
    response.writeHead(request.url === '/health' ? 200 : 503).end('no database\n'.repeat(10_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await using _close = {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const { port } = server.address() as AddressInfo;
  const ask = (path: string) => {
    const check: HealthCheck = { ...patient, http: { port, path, status: 200 } };
    return probe(noSockets, state, { check, ports: [] }, { now: () => 7, signal: AbortSignal.timeout(10_000) });
  };
  assert.deepEqual(await ask('/health'), { at: 7, ok: true, said: `GET :${port}/health: 200` });
  const bad = await ask('/other');
  assert.equal(bad.ok, false);
  assert.match(bad.said, /503, wanted 200; it says "no database no database/);
  assert.ok(bad.said.length < 300);
  assert.match((await ask('/slow')).said, /no answer in 1 s/);
  const tcp: HealthCheck = { ...patient, tcp: { port } };
  assert.equal(
    (await probe(noSockets, state, { check: tcp, ports: [] }, { now: () => 7, signal: AbortSignal.timeout(10_000) }))
      .ok,
    true,
  );
});

test('a probe of a port where nothing listens is an answer, not an error; only its signal ends it early', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const check: HealthCheck = { ...patient, tcp: { port } };
  const got = await probe(
    noSockets,
    state,
    { check, ports: [] },
    { now: () => 7, signal: AbortSignal.timeout(10_000) },
  );
  assert.deepEqual(got, { at: 7, ok: false, said: `TCP :${port}: connection refused` });
  const reason = new Error('ended');
  await assert.rejects(
    probe(noSockets, state, { check, ports: [] }, { now: () => 7, signal: AbortSignal.abort(reason) }),
    reason,
  );
});

test('without a declared check, a container is well while its ports listen', async () => {
  const sockets = { sockets: async () => [{ protocol: 'tcp', address: '::', port: 80 } as const] };
  const look = (ports: readonly number[]) =>
    probe(sockets, state, { check: undefined, ports }, { now: () => 7, signal: AbortSignal.timeout(10_000) });
  assert.deepEqual(await look([]), { at: 7, ok: true, said: 'its main process runs' });
  assert.equal((await look([80])).ok, true);
  assert.deepEqual(await look([80, 81]), { at: 7, ok: false, said: 'nothing listens on 81' });
});

test('a server that sends headers or bytes for ever, or sends somebody elsewhere, costs one probe its time at most', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (asked) => {
      const path = String(asked).split(' ')[1];
      if (path === '/redirect')
        socket.end('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n');
      const chunk = path === '/headers' ? `X: ${'y'.repeat(1000)}\r\n` : 'z'.repeat(65_536);
      if (path !== '/redirect')
        socket.write(`HTTP/1.1 200 OK\r\n${path === '/bytes' ? 'Content-Length: 10737418240\r\n\r\n' : ''}`);
      const pump = (): void => {
        while (!socket.destroyed && socket.write(chunk));
        if (!socket.destroyed) socket.once('drain', pump);
      };
      if (path === '/headers' || path === '/bytes') pump();
      if (path === '/hints') setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 50).unref();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    for (const [path, ok, said] of [
      ['/headers', false, /GET :\d+\/headers: /],
      ['/bytes', true, /200/],
      ['/redirect', false, /302, wanted 200/],
      ['/hints', false, /./],
    ] as const) {
      const check: HealthCheck = { ...patient, http: { port, path, status: 200 } };
      const began = performance.now();
      const options = { now: () => 7, signal: AbortSignal.timeout(10_000) };
      const got = await probe(noSockets, state, { check, ports: [] }, options);
      assert.equal(got.ok, ok, path);
      assert.match(got.said, said);
      assert.ok(performance.now() - began < 3000);
    }
  } finally {
    server.close();
  }
});
