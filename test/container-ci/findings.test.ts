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
    // The manifest has it restarted always: an end by 0, SIGKILL or SIGTERM that stays one was asked for.
    const isAsked = [0, 137, 143].includes(code);
    assert.equal(finding?.code, isAsked ? 'asked-to-stop' : 'exited');
    assert.match(finding.summary, new RegExp(said));
    assert.equal(finding.severity, isAsked ? 'warning' : 'critical');
    assert.ok(finding.mend.length > 0);
  }
});

test('a stop on request is told as that alone, whatever the log says at the end, and is no crash loop', () => {
  const history = [1, 2, 3].flatMap((minute) => [
    { at: at - minute * 20_000, type: 'start' as const },
    { at: at - minute * 20_000 + 1000, type: 'die' as const, exitCode: 2, asked: true },
  ]);
  const [finding, ...more] = findFaults(
    factsOf({ health: stopped, state: exited(2), history, logs: ['FATAL: terminating connection'] }),
  );
  assert.deepEqual(more, []);
  assert.equal(finding?.code, 'asked-to-stop');
  assert.match(finding.summary, /^it was asked to stop: .* with exit code 2/);
  assert.match(finding.mend, /docker start shop-api/);
});

test('a paused container and one that never started say so', () => {
  assert.deepEqual(codes({ health: stopped, state: { status: 'paused' } }), ['paused']);
  assert.deepEqual(codes({ health: stopped, state: { status: 'created', pid: undefined } }), ['never-started']);
});

test('why an engine could not start a container is told by its cause, with the next step', () => {
  const oci = 'OCI runtime create failed: container_linux.go:380: starting container process caused: exec:';
  for (const [error, summary, mend] of [
    [
      `${oci} "/nope": stat /nope: no such file or directory: unknown`,
      /^its command "\/nope" is not in its image/,
      /entrypoint/,
    ],
    [
      `${oci} "nope": executable file not found in $PATH: unknown`,
      /^its command "nope" is not in its image/,
      /entrypoint/,
    ],
    [`${oci} "/run.sh": permission denied: unknown`, /^its command "\/run.sh" can't be executed/, /0755/],
    ['standard_init_linux.go:228: exec user process caused: exec format error', /another processor/, /platform/],
    [
      'driver failed programming external connectivity on endpoint x (1): Bind for 127.0.0.1:8080 failed: port is already allocated',
      /^the port of the host 8080 that it publishes is taken/,
      /host_port/,
    ],
    [
      'driver failed programming external connectivity on endpoint x (1): Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use',
      /^the port of the host 8080 that it publishes is taken/,
      /host_port/,
    ],
    ['something new', /^the engine could not start it: something new/, /./],
  ] as const) {
    const [finding, ...more] = findFaults(
      factsOf({ health: stopped, state: { status: 'created', pid: undefined, exitCode: 127, error }, logs: [] }),
    );
    assert.equal(finding?.code, 'start-failed');
    assert.match(finding.summary, summary);
    assert.match(finding.mend, mend);
    assert.deepEqual(more, []);
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
