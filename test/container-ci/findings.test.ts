// Facts become findings: causes stand before what they cause, and about a healthy container nothing is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainExit, findFaults, hasCrashLoop } from '../../container-ci/findings.ts';
import { at, factsOf } from './facts-of.ts';

const codes = (change: Parameters<typeof factsOf>[0]): string[] => findFaults(factsOf(change)).map(({ code }) => code);
const ill = {
  status: 'unhealthy',
  failures: 4,
  lastAnswer: { at, ok: false, said: 'GET :3000/: 503, wanted 200' },
} as const;
const stopped = { status: 'stopped' } as const;
const exited = (exitCode: number) =>
  ({ status: 'exited', exitCode, pid: undefined, finishedAt: new Date(at) }) as const;

test('about a healthy container nothing is said, whatever its log once said', () => {
  assert.deepEqual(codes({}), []);
  assert.deepEqual(codes({ logs: ['error: connection refused', 'Traceback (most recent call last)'] }), []);
});

test('a stopped dependency stands before the failing probe that it causes', () => {
  const found = codes({
    health: ill,
    dependencies: [{ container: 'redis', ci: 'redis-ci', status: 'stopped' }],
    logs: ['Error: getaddrinfo ENOTFOUND redis'],
  });
  assert.deepEqual(found, ['dependency-stopped', 'log-name-resolution', 'unhealthy']);
  assert.deepEqual(codes({ health: ill, dependencies: [{ container: 'redis', ci: 'redis-ci', status: 'healthy' }] }), [
    'unhealthy',
  ]);
  assert.deepEqual(
    codes({ health: ill, dependencies: [{ container: 'redis', ci: 'redis-ci', status: undefined }] })[0],
    'dependency-absent',
  );
});

test('each exit code is explained, and an asked-for end is no critical fault', () => {
  for (const [code, said] of [
    [0, 'without an error'],
    [1, 'error of its own'],
    [126, "can't be executed"],
    [127, 'not found'],
    [137, 'SIGKILL'],
    [139, 'SIGSEGV'],
    [143, 'SIGTERM'],
    [130, 'signal 2'],
  ] as const) {
    assert.match(explainExit(code), new RegExp(said));
    const [finding] = findFaults(factsOf({ health: stopped, state: exited(code) }));
    assert.equal(finding?.code, 'exited');
    assert.match(finding.summary, new RegExp(said));
    assert.equal(finding.severity, code === 0 || code === 143 ? 'warning' : 'critical');
    assert.ok(finding.mend.length > 0);
  }
});

test('a main process that the kernel killed for memory is told as that first', () => {
  assert.deepEqual(codes({ health: stopped, state: { ...exited(137), oomKilled: true } }), ['out-of-memory', 'exited']);
});

test('three deaths in five minutes, or three short lives, are a crash loop; three stops on request are none', () => {
  const lives = (seconds: number, exitCode: number, count: number, gapMs: number) =>
    Array.from({ length: count }, (_, index) => {
      const start = at - (count - index) * gapMs;
      return [
        { at: start, type: 'start' },
        { at: start + seconds * 1000, type: 'die', exitCode },
      ] as const;
    }).flat();
  assert.equal(hasCrashLoop(lives(30, 1, 3, 60_000), at), true);
  assert.equal(hasCrashLoop(lives(30, 1, 2, 60_000), at), false);
  assert.equal(hasCrashLoop(lives(5, 1, 3, 140_000), at), true);
  assert.equal(hasCrashLoop(lives(30, 143, 5, 40_000), at), false);
  assert.equal(hasCrashLoop(lives(30, 1, 3, 60_000), at + 3_600_000), false);
  const found = codes({
    health: { status: 'starting' },
    state: { status: 'restarting' },
    history: lives(1, 1, 3, 20_000),
  });
  assert.deepEqual(found, ['crash-loop']);
});

test('a port that the manifest names and nobody listens on is found, with what listens instead', () => {
  const [finding] = findFaults(factsOf({ health: ill, ports: [8080] }));
  assert.equal(finding?.code, 'port-not-listening');
  assert.match(finding.mend, /8080/);
});

test('every finding cites evidence that exists', () => {
  const facts = factsOf({
    health: ill,
    ports: [],
    state: { error: 'no such file', oomKilled: true },
    dependencies: [{ container: 'redis', ci: 'redis-ci', status: 'unhealthy' }],
    logs: ['permission denied', 'ENOSPC'],
  });
  const ids = new Set(facts.evidence.map(({ id }) => id));
  const findings = findFaults(facts);
  assert.ok(findings.length >= 6);
  for (const { code, evidence } of findings) {
    assert.ok(evidence.length > 0, code);
    for (const id of evidence) assert.ok(ids.has(id), `${code} cites ${id}`);
  }
});
