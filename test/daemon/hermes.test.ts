// Hermes's routes as the components of Tekton call them, on a whole daemon over HTTP.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { Daemons, type Stack } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

const numa = { name: 'Numa', type: 'numa', version: '1.0.0', endpoint: 'http://localhost:8316' };
const noToken = { authorization: '' };

test('every shape in which components register is taken, and answered with status 200 and both spellings of the id', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const shapes: [string, string, object][] = [
    ['/api/register', 'http://localhost:8316', { ...numa, capabilities: ['chat'], metadata: { description: 'x' } }],
    [
      '/api/register',
      'http://localhost:1',
      { ...numa, name: 'a', component_id: 'a-1', endpoint: 'http://localhost:1' },
    ],
    ['/api/register', 'http://localhost:2', { ...numa, name: 'b', componentId: 'b-1', endpoint: 'http://localhost:2' }],
    [
      '/api/register',
      'http://localhost:3',
      { name: 'c', component_type: 'rhetor', version: '1', endpoint: 'http://localhost:3', unknown: 1 },
    ],
    [
      '/api/register',
      'http://127.0.0.1:9001',
      { name: 'd', type: 'tool', port: 9001, message_endpoint: '/chat', message_format: 'json_simple' },
    ],
    [
      '/api/registry/register',
      'https://host.example:8443',
      {
        name: 'e',
        type: 'tekton',
        host: 'host.example',
        port: 8443,
        protocol: 'https',
        stack_id: 's',
        mcp_endpoints: { resources: '/r', tools: '/t', prompts: '/p' },
        message_endpoint: '/api/federated/message',
        message_format: 'tekton_federated',
        capabilities: { version: '1', ci_count: 2, specialties: ['x'] },
      },
    ],
  ];
  for (const [place, endpoint, body] of shapes) {
    const { status, body: answer } = await stack.ask('POST', place, body);
    assert.equal(status, 200, JSON.stringify(answer));
    assert.deepEqual(Object.keys(answer).sort(), ['componentId', 'component_id', 'message', 'success', 'token']);
    assert.equal(answer.success, true);
    assert.equal(answer.message, 'Component registered successfully');
    assert.equal(answer.componentId, answer.component_id);
    const { body: one } = await stack.ask('GET', `/api/components/${(body as { name: string }).name}`);
    assert.equal(one.endpoint, endpoint);
    assert.equal(one.component_id, answer.componentId);
  }
  const { body: list } = await stack.ask('GET', '/api/components');
  assert.equal(list.total, 6);
  const first = list.components.find((one: { name: string }) => one.name === 'numa');
  assert.match(first.component_id, /^numa-numa-[0-9a-f]{8}$/);
  assert.equal(list.components.find((one: { name: string }) => one.name === 'a').component_id, 'a-1');
  assert.equal(list.components.find((one: { name: string }) => one.name === 'b').component_id, 'b-1');
});

test('a component registers, beats, is found and leaves with its own token', async () => {
  let now = 1_700_000_000_000;
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin', { now: () => now });
  const { body: made } = await stack.ask('POST', '/api/register', { ...numa, capabilities: ['chat'] });
  const own = { ...noToken, 'x-authentication-token': made.token };
  now += 5_000;
  const beat = await stack.ask(
    'POST',
    '/api/heartbeat',
    { component_id: made.componentId, status: { health: 'healthy' } },
    own,
  );
  assert.deepEqual(
    [beat.status, beat.body],
    [200, { success: true, timestamp: 1_700_000_005, message: 'Heartbeat received' }],
  );
  const byOtherSpelling = await stack.ask('POST', '/api/heartbeat', { componentId: made.componentId }, own);
  assert.equal(byOtherSpelling.status, 200, 'without a status, and with the id in camelCase');

  const { body: found } = await stack.ask('POST', '/api/query', {
    capability: 'chat',
    component_type: 'numa',
    healthy_only: true,
  });
  assert.deepEqual(found, [
    {
      componentId: made.componentId,
      name: 'numa',
      version: '1.0.0',
      type: 'numa',
      endpoint: 'http://localhost:8316',
      capabilities: ['chat'],
      metadata: { type: 'numa' },
      healthy: true,
      lastHeartbeat: 1_700_000_005,
    },
  ]);
  assert.deepEqual((await stack.ask('POST', '/api/query', { capability: 'cook' })).body, []);
  assert.deepEqual((await stack.ask('POST', '/api/query', { componentType: 'other' })).body, []);
  assert.equal((await stack.ask('POST', '/api/query', { capability: null, component_type: null })).body.length, 1);

  const { body: one } = await stack.ask('GET', '/api/components/NUMA');
  assert.deepEqual(one, {
    component_id: made.componentId,
    name: 'numa',
    version: '1.0.0',
    type: 'numa',
    port: 8316,
    status: 'healthy',
    capabilities: ['chat'],
    endpoint: 'http://localhost:8316',
    last_heartbeat: 1_700_000_005,
    registered_at: 1_700_000_000,
    metadata: { type: 'numa' },
  });
  now += 61_000;
  assert.deepEqual((await stack.ask('GET', '/api/components?healthy_only=true')).body, { total: 0, components: [] });
  assert.equal((await stack.ask('GET', '/api/components?healthy_only=false&component_type=numa')).body.total, 1);

  const left = await stack.ask('POST', `/api/unregister?component_id=${made.componentId}`, undefined, own);
  assert.deepEqual([left.status, left.body], [200, { success: true, message: 'Component unregistered successfully' }]);
  const gone = await stack.ask('GET', '/api/components/numa');
  assert.deepEqual([gone.status, gone.body], [404, { detail: "Component 'numa' not found" }]);
});

test('a component that registers again gets a new token, and its old one is void', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const first = (await stack.ask('POST', '/api/register', numa)).body;
  const second = (await stack.ask('POST', '/api/register', { ...numa, version: '2.0.0' })).body;
  assert.equal(second.componentId, first.componentId);
  assert.notEqual(second.token, first.token);
  assert.equal((await stack.ask('GET', '/api/components')).body.components[0].version, '2.0.0');
  const beat = (token: string) =>
    stack.ask(
      'POST',
      '/api/heartbeat',
      { component_id: first.componentId },
      { ...noToken, 'x-authentication-token': token },
    );
  const refused = await beat(first.token);
  assert.equal(refused.status, 401);
  assert.equal(refused.body.detail, 'Invalid authentication token');
  assert.equal((await beat(second.token)).status, 200);
});

test('what is wrong is told in the form of FastAPI, and changes nothing', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const noName = await stack.ask('POST', '/api/register', { type: 'x', version: '1', endpoint: 'http://localhost:1' });
  assert.equal(noName.status, 422);
  assert.deepEqual(noName.body.detail[0].loc, ['body', 'name']);
  assert.equal(typeof noName.body.detail[0].msg, 'string');
  for (const body of [
    { name: 'x', type: 'x' },
    { ...numa, endpoint: 'not a url' },
    { ...numa, endpoint: 'ftp://localhost:1' },
    { ...numa, message_format: 'morse' },
    { ...numa, name: '' },
    { ...numa, name: 'a/b' },
    { ...numa, capabilities: ['x'.repeat(300)] },
    { ...numa, port: 70_000 },
    '{not json',
    '[]',
  ]) {
    const { status, body: answer } = await stack.ask('POST', '/api/register', body);
    assert.equal(status, 422, JSON.stringify(body));
    assert.ok(Array.isArray(answer.detail) && answer.detail[0].msg.length > 10, JSON.stringify(answer));
  }
  const unknown = await stack.ask('POST', '/api/heartbeat', { component_id: 'nobody' });
  assert.equal(unknown.status, 404);
  assert.match(unknown.body.detail, /Cannot find a CI "nobody"/);
  assert.equal((await stack.ask('POST', '/api/unregister')).status, 422);
  const { body: made } = await stack.ask('POST', '/api/register', numa);
  const wrong = { ...noToken, 'x-authentication-token': 'wrong' };
  for (const [place, body] of [
    ['/api/heartbeat', { component_id: made.componentId }],
    [`/api/unregister?component_id=${made.componentId}`, undefined],
    ['/api/unregister', { component_name: 'numa' }],
  ] as const) {
    const { status, body: answer } = await stack.ask('POST', place, body, wrong);
    assert.deepEqual([status, answer.detail], [401, 'Invalid authentication token'], place);
  }
  assert.equal((await stack.ask('GET', '/api/components')).body.total, 1);
});

test('without a token the routes are closed', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  await stack.ask('POST', '/api/register', numa);
  for (const [method, place, body] of [
    ['POST', '/api/register', { ...numa, name: 'other' }],
    ['POST', '/api/registry/register', { ...numa, name: 'other' }],
    ['POST', '/api/heartbeat', { component_id: 'numa' }],
    ['POST', '/api/unregister', { component_name: 'numa' }],
    ['POST', '/api/query', {}],
    ['GET', '/api/components', undefined],
    ['GET', '/api/components/numa', undefined],
    ['GET', '/api/health', undefined],
    ['GET', '/discovery', undefined],
    ['POST', '/api/federated/message', { to: 'numa', message: 'x' }],
  ] as const) {
    const { status, body: answer } = await stack.ask(method, place, body, noToken);
    assert.equal(status, 401, place);
    assert.match(answer.detail, /there is no token/);
  }
  assert.equal((await stack.ask('GET', '/api/components')).body.total, 1);
});

test('with --hermes open a component of this host registers without a token, marked, and no other name is taken', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin', { settings: { hermes: 'open' } });
  const ask = (place: string, body: unknown, headers: Record<string, string> = {}) =>
    stack.ask('POST', place, body, { ...noToken, ...headers });
  assert.equal((await ask('/api/register', numa)).status, 200);
  const { body } = await stack.ask('GET', '/api/cis?type=numa');
  assert.equal(body.cis[0].unauthenticated, true);

  assert.equal((await ask('/api/register', { ...numa, version: '2' })).status, 200, 'the same program starts again');
  assert.equal((await ask('/api/heartbeat', { component_id: 'numa', status: { health: 'healthy' } })).status, 200);
  const elsewhere = { ...numa, endpoint: 'http://localhost:666' };
  const taking = await ask('/api/register', elsewhere);
  assert.equal(taking.status, 422, 'another program does not take its name');
  assert.match(taking.body.error.message, /the name is taken/);
  assert.equal((await ask('/api/register', { ...elsewhere, component_id: 'new' })).status, 422, 'nor under another id');
  assert.equal((await ask('/api/register', { ...elsewhere, name: 'berlin' })).status, 422, 'nor the name of the stack');
  await stack.ask('POST', '/api/register', { ...numa, name: 'proved' });
  assert.equal((await ask('/api/register', { ...numa, name: 'proved' })).status, 422, 'nor one that proved who it is');
  assert.equal((await ask('/api/heartbeat', { component_id: 'proved' })).status, 401);

  assert.equal((await ask('/api/register', { ...numa, name: 'far', endpoint: 'http://10.0.0.1:1' })).status, 403);
  assert.equal(
    (await ask('/api/register', { ...numa, name: 'far', endpoint: 'http://localhost.evil.example:1' })).status,
    403,
  );
  assert.equal((await ask('/api/register', 'name=x', { 'content-type': 'text/plain' })).status, 403);
  assert.equal((await ask('/api/register', numa, { origin: 'http://evil.example' })).status, 403);
  assert.equal((await ask('/api/register', numa, { 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await withHost(stack, 'evil.example')).status, 403);
  const { body: list } = await stack.ask('GET', '/api/components');
  assert.deepEqual(list.components.map((one: { name: string }) => one.name).sort(), ['numa', 'proved']);
  const left = await ask('/api/unregister', { component_name: 'numa' });
  assert.equal(left.status, 200, 'as the components of Tekton say it');
  assert.equal((await stack.ask('GET', '/api/cis', undefined, noToken)).status, 401, 'nothing else is open');
});

test("an id that is another component's name does not divert what is meant for that component", async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin', { settings: { hermes: 'open' } });
  await stack.ask('POST', '/api/register', numa);
  const thief = { name: 'thief', component_id: 'numa', type: 'x', version: '1', endpoint: 'http://localhost:666' };
  await stack.ask('POST', '/api/register', thief, noToken);
  assert.equal((await stack.ask('GET', '/api/components/numa')).body.endpoint, numa.endpoint);
});

test('a registered CI is asked from any stack, in the message format that it speaks', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  const heard: { url: string | undefined; body: unknown; key: string | undefined }[] = [];
  await using web = await serveHttp((url, body, headers) => {
    heard.push({ url, body, key: headers['x-key'] as string | undefined });
    if (url === '/mcp-chat') return { content: { message: 'said by mcp' } };
    if (url === '/fails') return { error: 'I am tired' };
    return { response: `said: ${(body as { message: string }).message}` };
  });
  await using lines = await serveLines((line) => ({
    type: 'response',
    ai_id: 'l',
    content: `line: ${line['content']}`,
  }));
  const cis = [
    { name: 'simple', type: 'x', version: '1', endpoint: web.url, headers: { 'x-key': 'swordfish' } },
    {
      name: 'by-mcp',
      type: 'x',
      version: '1',
      endpoint: web.url,
      message_format: 'mcp',
      message_endpoint: '/mcp-chat',
    },
    { name: 'by-line', type: 'x', port: lines.port, protocol: 'tcp', message_format: 'json' },
    {
      name: 'partner',
      type: 'x',
      version: '1',
      endpoint: web.url,
      message_format: 'tekton_federated',
      message_endpoint: '/fed',
    },
    { name: 'tired', type: 'x', version: '1', endpoint: web.url, message_endpoint: '/fails' },
    { name: 'absent', type: 'x', version: '1', endpoint: 'http://127.0.0.1:1' },
  ];
  for (const ci of cis) assert.equal((await berlin.ask('POST', '/api/register', ci)).status, 200);
  for (const { name } of cis) {
    await eventually(`paris sees "${name}"`, () => paris.node.context.registry.directory.get('ci', name) !== undefined);
  }
  const says = async (name: string) => (await paris.ask('POST', `/api/cis/${name}/ask`, { question: 'status' })).body;
  assert.equal((await says('simple')).text, 'said: status');
  assert.equal((await says('simple')).stack, berlin.node.context.registry.stack);
  assert.equal((await says('by-mcp')).text, 'said by mcp');
  assert.equal((await says('by-line')).text, 'line: status');
  assert.equal((await says('partner')).text, 'said: status');
  assert.deepEqual(heard[0], { url: '/api/message', body: { message: 'status' }, key: 'swordfish' });
  assert.deepEqual(heard.find(({ url }) => url === '/mcp-chat')?.body, { content: { message: 'status' }, context: {} });
  assert.match((await says('tired')).error.message, /Cannot ask "tired" at .*: it says: I am tired/);
  assert.match((await says('absent')).error.message, /Cannot ask "absent" at .*ECONNREFUSED/);
  const passed = await paris.ask('POST', '/api/federated/message', { to: 'simple', message: 'hello' });
  assert.deepEqual(passed.body, { success: true, from: 'simple', response: 'said: hello' });

  const records =
    JSON.stringify((await paris.ask('GET', '/api/records')).body) +
    JSON.stringify((await berlin.ask('GET', '/api/components')).body);
  assert.doesNotMatch(records, /swordfish/);
  assert.doesNotMatch([...berlin.logged, ...paris.logged].join('\n'), /swordfish/, 'credentials enter no log');
});

test('what another program says steers no terminal', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  await using web = await serveHttp(() => ({ response: 'fine\x1b[2J\x1b]0;owned\x07\nand well' }));
  await berlin.ask('POST', '/api/register', { ...numa, endpoint: web.url });
  await eventually('paris sees it', () => paris.node.context.registry.directory.get('ci', 'numa') !== undefined);
  for (const stack of [berlin, paris]) {
    const { text } = (await stack.ask('POST', '/api/cis/numa/ask', { question: 'status' })).body;
    assert.equal(text, 'fine\\x1b[2J\\x1b]0;owned\\x07\nand well');
  }
});

test('registrations and their tokens outlive the daemon', async () => {
  await using daemons = new Daemons();
  const home = await daemons.home('berlin');
  const first = await daemons.open('berlin', { home });
  const { body: made } = await first.ask('POST', '/api/register', numa);
  await first[Symbol.asyncDispose]();
  const second = await daemons.open('berlin', { home });
  const own = { ...noToken, 'x-authentication-token': made.token };
  assert.equal((await second.ask('POST', '/api/heartbeat', { component_id: made.componentId }, own)).status, 200);
  assert.equal((await second.ask('GET', '/api/cis?type=numa')).body.cis.length, 1);
});

function withHost(stack: Stack, host: string): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    import('node:http').then(({ request }) => {
      const asked = request(`${stack.url}/api/components`, { headers: { host } }, (answer) => {
        answer.resume();
        resolve({ status: answer.statusCode ?? 0 });
      });
      asked.on('error', reject).end();
    }, reject);
  });
}

async function serveHttp(
  answer: (url: string | undefined, body: unknown, headers: IncomingMessage['headers']) => object,
) {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer(request.url, JSON.parse(text), request.headers)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serveLines(answer: (line: Record<string, unknown>) => object) {
  const server = createTcpServer((socket) => {
    socket.once('data', (line) => socket.end(`${JSON.stringify(answer(JSON.parse(String(line))))}\n`));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
