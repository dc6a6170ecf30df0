// aish as a person types it: listing, asking, piping, and what it says when something is wrong.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DaemonProcess, Ran } from '../support/daemon-process.ts';
import { type DaemonMesh, startMesh } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

let mesh: DaemonMesh;
let berlin: DaemonProcess;

before(async () => {
  mesh = await startMesh(['berlin', 'paris']);
  const [first, second] = mesh.daemons;
  assert.ok(first && second);
  berlin = first;
  await eventually('berlin sees the CI of paris', async () =>
    (await first.run('aish', ['list'])).stdout.includes('paris'),
  );
});
after(() => mesh?.[Symbol.asyncDispose]());

const aish = (words: readonly string[], input?: string): Promise<Ran> =>
  berlin.run('aish', words, { timeoutMs: 30_000, ...(input === undefined ? {} : { input }) });

test('list shows the CIs of the mesh with their stacks, all or of one type', async () => {
  const all = await aish(['list']);
  assert.deepEqual([all.code, all.stderr], [0, '']);
  assert.match(
    all.stdout,
    /^CI +HEALTH +TYPE +STACK +SERVICES\nberlin +healthy +tekton +berlin +-\nparis +healthy +tekton +paris +-\n$/,
  );
  assert.equal((await aish(['list', 'type', 'tekton'])).stdout, all.stdout);
  assert.equal((await aish(['list', 'type', 'container'])).stdout, 'No CIs.\n');
  assert.deepEqual(Object.keys(JSON.parse((await aish(['list', 'json'])).stdout)), ['berlin', 'paris']);
  const typed = JSON.parse((await aish(['list', 'type', 'tekton', 'json'])).stdout) as { name: string }[];
  assert.deepEqual(
    typed.map(({ name }) => name),
    ['berlin', 'paris'],
  );
});

test('a CI answers what stands behind its name, what comes by a pipe, and what another CI said', async () => {
  const asked = await aish(['paris', 'how', 'are', 'you?']);
  assert.deepEqual([asked.code, asked.stderr], [0, '']);
  assert.match(asked.stdout, /^I am the stack paris, /);
  assert.match((await aish(['paris'], 'status\n')).stdout, /^I am the stack paris, /);
  assert.match((await aish(['paris@paris', 'status'])).stdout, /^I am the stack paris, /);
  const passed = await aish(['berlin'], (await aish(['paris', 'status'])).stdout);
  assert.match(passed.stdout, /^I am the stack berlin, /);
});

test('team-chat asks all and answers in the order of the list', async () => {
  const said = await aish(['team-chat', 'status']);
  assert.match(
    said.stdout,
    /^Team responses:\n-+\n\[berlin\]: I am the stack berlin[\s\S]*\[paris\]: I am the stack paris/,
  );
  const { responses } = JSON.parse((await aish(['--json', 'team-chat', 'status'])).stdout);
  assert.deepEqual(
    responses.map((one: { specialist_id: string }) => one.specialist_id),
    ['berlin', 'paris'],
  );
});

test('--json is one JSON value and nothing else, for answers and for faults', async () => {
  const answer = JSON.parse((await aish(['--json', 'paris', 'status'])).stdout);
  assert.equal(answer.ci, 'paris');
  assert.ok(answer.evidence.length > 0);
  const fault = await aish(['--json', 'nobody', 'status']);
  assert.deepEqual([fault.code, JSON.parse(fault.stdout).error.code], [3, 'not-found']);
});

test('what is wrong has one message, a mend and its exit code', async () => {
  for (const [words, code, ...parts] of [
    [['pariss', 'status'], 3, /Cannot find a CI "pariss"/, /did you mean "paris"\?/],
    [['zzzzzzzz', 'status'], 3, /mend: aish list/],
    [['--bogus'], 2, /Unknown option '--bogus'/, /mend: aish --help/],
    [['paris'], 2, /there is no message/, /mend: aish paris "status"/],
    [['paris', 'x'.repeat(4_001)], 2, /question/],
    [['list', 'type'], 2, /aish list type container/],
    [['list', 'tipe', 'container'], 2, /"tipe"/],
  ] as const) {
    const ran = await aish(words, '');
    assert.equal(ran.code, code, `${words.join(' ').slice(0, 40)}: ${ran.stderr}${ran.stdout}`);
    for (const part of parts) assert.match(ran.stderr, part);
    assert.equal(ran.stdout, '');
  }
});

test('without a daemon it says how to start one, with exit code 5', async () => {
  const ran = await berlin.run('aish', ['--home', '/nowhere/hermesh', 'list'], {});
  assert.equal(ran.code, 5);
  assert.match(ran.stderr, /start it with "hermesh up"/);
});

test('help and version are on stdout, and a pipe gets no colours', async () => {
  for (const words of [['--help'], ['help']]) {
    const { code, stdout } = await aish(words);
    assert.equal(code, 0);
    assert.match(stdout, /aish redis-ci "status"/);
  }
  assert.match((await aish(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  const all = [await aish(['list']), await aish(['paris', 'status']), await aish(['nobody', 'x'])];
  assert.ok(!all.some(({ stdout, stderr }) => (stdout + stderr).includes('\u001b[')));
  assert.equal((await aish(['whoami'])).code, 0);
});
