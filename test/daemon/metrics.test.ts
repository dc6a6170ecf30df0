// Metrics: what is counted and measured, told to who may know, and bounded whatever is counted.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { makeMetrics } from '../../daemon/metrics.ts';
import { Daemons } from '../support/daemons.ts';

test('metrics tell of members, records, feeds, hidden records, requests and the process, behind the token', async () => {
  await using daemons = new Daemons();
  const [berlin] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin);
  assert.equal((await berlin.ask('GET', '/metrics', undefined, { authorization: '' })).status, 401);
  await berlin.ask('POST', '/api/register', { name: 'a', type: 'x', version: '1', endpoint: 'http://localhost:1' });
  await berlin.ask('GET', '/api/record?record=ci/a');
  const { status, headers, body } = await berlin.ask('GET', '/metrics');
  assert.equal(status, 200);
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  for (const line of [
    /^hermesh_members\{state="up"\} 2$/m,
    /^hermesh_records\{kind="ci"\} 3$/m,
    /^hermesh_records\{kind="stack"\} 2$/m,
    /^hermesh_hidden_records 0$/m,
    /^hermesh_feeds 2$/m,
    /^hermesh_http_requests_total\{class="hermes"\} 1$/m,
    /^hermesh_http_requests_total\{class="operations"\} [2-9]$/m,
    /^hermesh_http_requests_total\{class="metrics"\} 2$/m,
    /^process_resident_memory_bytes \d{7,}$/m,
    /^# TYPE hermesh_http_requests_total counter$/m,
  ]) {
    assert.match(String(body), line);
  }
});

test('metrics need no token on the socket', async () => {
  await using daemons = new Daemons();
  const berlin = await daemons.open('berlin');
  const status = await new Promise((resolve, reject) => {
    const asked = request({ socketPath: path.join(berlin.home, 'daemon.sock'), path: '/metrics' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.once('error', reject).end();
  });
  assert.equal(status, 200);
});

test('a counter with too many labels and a name that is none cost no memory, and sums are exact', async () => {
  const metrics = makeMetrics();
  for (let at = 0; at < 1_000; at += 1) metrics.count('registry_refused_total', { why: `reason ${at}` });
  metrics.count('registry_refused_total', { why: 'reason 1' }, 5);
  metrics.count('no name');
  const { text } = await metrics.tell({
    version: '1',
    members: [],
    counts: { records: new Map(), hidden: 0, feeds: 0 },
    startedAt: new Date(0),
  });
  assert.equal(text.match(/^hermesh_registry_refused_total\{/gm)?.length, 100);
  assert.match(text, /^hermesh_registry_refused_total\{why="reason 1"\} 6$/m);
  assert.doesNotMatch(text, /no name/);
});
