// The one list of operations: the same in every door, asked of governance, recorded, and across the mesh.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { makeProgram } from '#daemon/cli';
import { openClient } from '#daemon/client';
import { operations } from '#daemon/operations';
import { Audit, decide, Events, type Principal } from '#governance';
import { openDatabase, registryMigrations } from '#registry';
import { migrations as governanceMigrations } from '../../governance/store.ts';
import { Daemons, type Stack } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

/** What a daemon wrote down, read from its database once it is closed. */
async function recordsOf(stack: Stack) {
  const { stack: id } = stack.node.context.registry;
  await stack[Symbol.asyncDispose]();
  const file = path.join(stack.home, 'hermesh.sqlite');
  using database = openDatabase(file, [registryMigrations, { floor: 'governance', migrations: governanceMigrations }]);
  const audit = new Audit({ database, stack: id, now: Date.now });
  const events = new Events({ database, stack: id, now: Date.now, newId: () => '' });
  return {
    entries: audit.read(0).map(({ operation, outcome, principal }) => ({ operation, outcome, principal })),
    events: events.read(0).events.map(({ type, subject }) => ({ type, subject })),
    check: audit.verify(),
  };
}

test('every operation is in HTTP, in OpenAPI, in MCP and, where it has words, in a command', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const names = operations.map(({ name }) => name).sort();
  assert.equal(new Set(names).size, names.length);

  const { body: document } = await stack.ask('GET', '/api/openapi.json');
  assert.equal(document.openapi, '3.1.0');
  assert.ok(document.info.title && document.info.version);
  const described = Object.entries<Record<string, OpenApiOperation>>(document.paths).flatMap(([place, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ place, method, operation })),
  );
  assert.deepEqual(described.map(({ operation }) => operation.operationId).sort(), names);
  for (const { place, method, operation } of described) {
    assert.match(method, /^(get|post|put|delete)$/);
    assert.ok(operation.responses['200'] && operation.description.endsWith('.'), place);
    const inPath = [...place.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
    const declared = operation.parameters.filter((one) => one.in === 'path');
    assert.deepEqual(
      declared.map(({ name }) => name),
      inPath,
      place,
    );
    assert.ok(declared.every(({ required }) => required));
    assert.ok(method !== 'get' || operation.requestBody === undefined);
  }
  for (const reference of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = (reference[1] ?? '').split('/').reduce((at, key) => at?.[key], document);
    assert.ok(found, `${reference[1]} is there`);
  }

  const client = new Client({ name: 'test', version: '0' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { authorization: `Bearer ${stack.node.token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', stack.url), { requestInit }));
  const { tools } = await client.listTools();
  await client.close();
  assert.deepEqual(tools.map(({ name }) => name).sort(), names);

  const program = makeProgram(new AbortController().signal);
  const wordsOf = (command: typeof program): string[] =>
    command.commands.flatMap((below) => [below.name(), ...wordsOf(below).map((words) => `${below.name()} ${words}`)]);
  const commands = wordsOf(program);
  for (const { command, name } of operations) {
    assert.ok(command, `${name} has words`);
    if ((command.program ?? 'hermesh') === 'hermesh') assert.ok(commands.includes(command.words), command.words);
  }
  for (const { http, name } of operations) {
    const place = http.path.replace(/:[a-z]+/g, 'nobody');
    const { status } = await stack.ask(http.method, place, http.method === 'POST' ? {} : undefined, {
      authorization: '',
    });
    assert.equal(status, 401, `${name} is there, and closed without a token`);
  }
});

test('what changes something leaves its event and its audit entries; what only looks leaves none', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const project = path.join(await daemons.home('project'), 'p');
  await mkdir(project);
  const file = path.join(project, 'manifest.json');
  const manifest = { manifest_version: '1.0', project: { name: 'p' }, containers: { a: { command: ['/a'] } } };
  await writeFile(file, JSON.stringify(manifest));
  assert.equal((await berlin.ask('POST', '/api/builds', { file })).status, 200);
  assert.equal((await berlin.ask('POST', '/api/builds', { file: `${file}.no` })).status, 404);
  assert.equal((await berlin.ask('POST', '/api/runs', { file })).status, 503);
  assert.equal((await berlin.ask('GET', '/api/status')).status, 200);
  const left = await paris.ask('POST', '/api/mesh/leave');
  assert.equal(left.status, 200, JSON.stringify(left.body));
  const revoked = await berlin.ask('DELETE', '/api/stacks/paris');
  assert.equal(revoked.status, 200, JSON.stringify(revoked.body));

  const records = await recordsOf(berlin);
  const owner = `owner@${berlin.node.context.registry.stack}`;
  assert.ok(records.entries.every(({ principal }) => principal === owner));
  assert.deepEqual(
    records.entries.map(({ operation, outcome }) => `${operation} ${outcome}`),
    [
      'mesh_invite allowed',
      'mesh_invite done',
      'build allowed',
      'build done',
      'build allowed',
      'build failed',
      'run allowed',
      'run failed',
      'mesh_revoke allowed',
      'mesh_revoke done',
    ],
  );
  assert.deepEqual(
    records.events.map(({ type }) => type),
    ['io.hermesh.invite.made', 'io.hermesh.build.made', 'io.hermesh.stack.revoked'],
  );
  const other = await recordsOf(paris);
  assert.deepEqual(
    other.events.map(({ type }) => type),
    ['io.hermesh.mesh.joined', 'io.hermesh.mesh.left'],
  );
  assert.doesNotMatch(JSON.stringify(other), /invite-|hermesh-invite/, 'no token stands in a log');
});

test('what happened is listed, and an audit log that was touched is found out', async () => {
  await using daemons = new Daemons();
  const berlin = await daemons.open('berlin');
  for (let count = 0; count < 3; count += 1) await berlin.ask('POST', '/api/mesh/invites', {});
  const { events, position } = (await berlin.ask('GET', '/api/events?since=1')).body;
  assert.deepEqual(
    events.map(({ type, position: at }: { type: string; position: number }) => [type, at]),
    [
      ['io.hermesh.invite.made', 2],
      ['io.hermesh.invite.made', 3],
    ],
  );
  assert.equal(position, 3);
  const { entries } = (await berlin.ask('GET', '/api/audit?limit=2')).body;
  assert.deepEqual(
    entries.map(({ operation, outcome }: { operation: string; outcome: string }) => `${operation} ${outcome}`),
    ['mesh_invite allowed', 'mesh_invite done'],
  );
  const whole = (await berlin.ask('GET', '/api/audit/verification')).body;
  assert.deepEqual([whole.intact, whole.sequence], [true, 6]);
  const later = `known=${whole.sequence + 1}:${whole.hash}`;
  const cut = (await berlin.ask('GET', `/api/audit/verification?${later}`)).body;
  assert.deepEqual(cut, { intact: false, sequence: 7, reason: 'missing' });
});

test('a role decides what a principal may do, and where it stands what it may ask', () => {
  const ask = (role: Principal['role'], name: string, fromElsewhere = false): string => {
    const operation = operations.find((one) => one.name === name);
    assert.ok(operation);
    const principal: Principal = { name: 'ann', stack: 's', role, by: fromElsewhere ? 'stack' : 'token' };
    return decide({
      principal,
      operation: name,
      readOnly: operation.hints.readOnly,
      changesMembership: operation.changesMembership,
      fromElsewhere,
      remote: operation.remote,
    }).outcome;
  };
  assert.equal(ask('viewer', 'status'), 'allow');
  for (const name of ['build', 'run', 'stop', 'mesh_invite', 'mesh_revoke'])
    assert.equal(ask('viewer', name), 'deny', name);
  assert.equal(ask('member', 'run'), 'allow');
  assert.equal(ask('member', 'mesh_invite'), 'deny');
  for (const { name } of operations) assert.equal(ask('admin', name), 'allow', name);
  const open = operations.filter(({ name }) => ask('admin', name, true) === 'allow').map(({ name }) => name);
  assert.deepEqual(open.sort(), ['ci_ask', 'logs'], 'all else is only for the stack itself');
});

test('what is asked of another stack is in the audit logs of both', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const answer = await paris.ask('POST', '/api/cis/berlin/ask', { question: 'status' });
  assert.equal(answer.status, 200);
  assert.equal(answer.body.stack, berlin.node.context.registry.stack);
  const caller = `owner@${paris.node.context.registry.stack}`;
  const there = (await recordsOf(berlin)).entries.filter(({ operation }) => operation === 'ci_ask');
  assert.deepEqual(
    there.map(({ principal, outcome }) => [principal, outcome]),
    [[caller, 'allowed']],
  );
  const here = (await recordsOf(paris)).entries.filter(({ operation }) => operation === 'ci_ask');
  assert.deepEqual(
    here.map(({ principal, outcome }) => [principal, outcome]),
    [[caller, 'allowed']],
  );
});

test('a CI whose stack cannot be reached is not asked, and the message says since when', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  await berlin[Symbol.asyncDispose]();
  const answer = await eventually('it is seen to be away', async () => {
    const { status, body } = await paris.ask('POST', '/api/cis/berlin/ask', { question: 'status' });
    return status === 503 && /its stack/.test(body.error.message) && body;
  });
  assert.match(answer.error.message, /Cannot ask "berlin": its stack berlin is \w+ since 2/);
});

test('progress comes as lines before the result, and a fault as a line at the end', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const project = await daemons.home('project');
  const file = path.join(project, 'manifest.json');
  await writeFile(path.join(project, 'a.txt'), 'a');
  const containers = { a: { files: [{ source: 'a.txt', destination: '/a' }], command: ['/a'] } };
  await writeFile(file, JSON.stringify({ manifest_version: '1.0', project: { name: 'p' }, containers }));
  const told: string[] = [];
  const client = openClient({ home: stack.home });
  const result = await client.call(
    'POST',
    '/api/builds',
    { file },
    { onProgress: ({ message }) => told.push(message) },
  );
  assert.ok(told.length > 0, 'it says what it does');
  assert.match(JSON.stringify(result), /"manifestDigest":"sha256:/);
  const lines = await stack.ask('POST', '/api/builds', { file: '/no' }, { accept: 'application/x-ndjson' });
  assert.equal(lines.status, 200);
  assert.equal(JSON.parse(lines.body.trim().split('\n').at(-1)).error.code, 'not-found');
});

test('input is checked for every door alike, with the place of the fault', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  for (const [method, place, body, said] of [
    ['POST', '/api/builds', {}, /\/file/],
    ['POST', '/api/builds', { file: 'x', cash: true }, /cash/],
    ['POST', '/api/cis/x/ask', { question: '' }, /\/question/],
    ['POST', '/api/cis/x/ask', { question: 'x'.repeat(4001) }, /\/question/],
    ['POST', '/api/mesh/invites', { role: 'king' }, /\/role/],
    ['GET', '/api/logs/x?tail=0', undefined, /\/tail/],
  ] as const) {
    const { status, body: answer } = await stack.ask(method, place, body);
    assert.equal(status, 422, `${place} ${JSON.stringify(answer)}`);
    assert.match(answer.error.message, said);
  }
  const large = await stack.ask('POST', '/api/builds', { file: 'x'.repeat(2_000_000) });
  assert.deepEqual([large.status, large.body.error.code], [413, 'too-large']);
});

interface OpenApiOperation {
  readonly operationId: string;
  readonly description: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
}
