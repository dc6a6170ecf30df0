// What comes from outside of the mesh, or for the daemon alone: the identity file, bodies of records, HTTP, and what a called stack answers.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { encode as encodeCbor } from 'cborg';
import Fastify, { type FastifyInstance, type InjectOptions } from 'fastify';
import { pino } from 'pino';
import { z } from 'zod';
import { type Cis, openLocalCis } from '#daemon/cis';
import { operations } from '#daemon/operations';
import { parseInput } from '#mcp';
import { type Directory, loadOrMakeIdentity, type Network, openDatabase, RegistryError } from '#registry';
import { zoneKind } from '#registry/zones';
import { makeAuthenticate } from '../../daemon/http/authenticate.ts';
import { addHermesRoutes } from '../../daemon/http/hermes.ts';
import { addLiveRoutes } from '../../daemon/http/live.ts';
import { daemonKinds } from '../../daemon/kinds.ts';
import { problemOf } from '../../daemon/problem.ts';
import { callOperation } from '../../daemon/remote.ts';
import { daemonMigrations, openRegistrations } from '../../daemon/store.ts';
import { Kinds, stackKind } from '../../registry/kind.ts';
import { toBytes } from '../../registry/wire.ts';
import { noteKind } from '../support/constellation.ts';
import type { Target } from './fuzz.ts';
import { below, oneOf, spoilValue } from './mutate.ts';

const log = pino({ level: 'silent' });
const token = 'x'.repeat(43);
const asOwner = { host: '127.0.0.1', authorization: `Bearer ${token}` };

/** JSON of a spoilt value: what JSON can't hold is left out or becomes text. */
function json(value: unknown): Uint8Array {
  const plain = (_: string, each: unknown): unknown =>
    typeof each === 'bigint' ? Number(each) : each instanceof Uint8Array ? Buffer.from(each).toString('hex') : each;
  return Buffer.from(JSON.stringify(value, plain) ?? 'null');
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString());
    return true;
  } catch {
    return false;
  }
}

/** The file that says who a stack is: read whole or not at all, and never replaced. */
async function identityFile(parts: AsyncDisposableStack): Promise<Target> {
  const home = await mkdtemp(path.join(tmpdir(), 'hermesh-fuzz-'));
  parts.defer(() => rm(home, { recursive: true, force: true }));
  const { stack, seed, box } = await loadOrMakeIdentity(home);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const value = { version: 1, stack, seed: text(seed), boxSecretKey: text(box.secretKey) };
  return {
    name: 'the identity file',
    valid: (chance) => (chance() < 0.5 ? json(value) : Buffer.from(`${JSON.stringify(value, null, 2)}\n`)),
    resigned: (chance, odd) => json(spoilValue(value, odd, chance)),
    decodes: isJson,
    async take(bytes) {
      await writeFile(path.join(home, 'identity.json'), bytes);
      try {
        const read = await loadOrMakeIdentity(home);
        // Another key for boxes can't be told from the right one; another stack can.
        assert.equal(read.stack, stack);
        return 'read';
      } catch (error) {
        assert.ok(error instanceof RegistryError && error.code === 'identity-broken', String(error));
        assert.ok(!error.message.includes(value.seed), 'no secret is told');
        return 'refused';
      }
    },
    least: { read: 0.02, refused: 0.3 },
  };
}

/** Bodies of records of every kind: what is read can be told as JSON, and is in the bounds of its kind. */
function recordBodies(): Target {
  const all = [noteKind, stackKind, zoneKind, ...daemonKinds];
  const kinds = new Kinds(all);
  const digest = `sha256:${'ab'.repeat(32)}`;
  const container = { name: 'a', container: 'a', id: 'b', digest };
  const bodies: Readonly<Record<string, unknown>> = {
    note: { text: 'x' },
    stack: { name: 'berlin', addresses: ['/memory/1'], site: 'here', labels: { tier: 'edge' } },
    zone: {
      ...{ zone: 'south', stacks: 5, up: 4, down: 1, records: 30, kinds: { note: 30 }, root: new Uint8Array(32) },
      ...{ addresses: ['/memory/1'], at: 1_000 },
    },
    ci: {
      ...{ name: 'echo', type: 'container', capabilities: ['chat'], health: 'healthy' },
      ...{ services: [{ name: 'redis', port: 6_379, confidence: 0.5 }], container: { id: 'a', name: 'b', image: 'c' } },
    },
    manifest: { digest, project: 'shop', containers: ['a'], sizeBytes: 5 },
    build: {
      ...{ project: 'shop', container: 'a', manifestDigest: digest, buildKey: digest, platform: 'linux/amd64' },
      ...{ digest, configDigest: digest, sizeBytes: 5 },
    },
    run: { project: 'shop', manifestDigest: digest, containers: [container] },
  };
  const valid = all.map(({ name }) => toBytes(bodies[name]));
  return {
    name: 'the body of a record',
    valid: (chance) => oneOf(chance, valid),
    take(bytes, chance) {
      const { name } = oneOf(chance, all);
      const read = kinds.read(name, 'a', bytes);
      if ('fault' in read) {
        assert.equal(typeof read.fault, 'string');
        return 'refused';
      }
      JSON.stringify(read.body);
      assert.ok(kinds.encode(name, 'a', read.body).byteLength <= 64 * 1024);
      return 'read';
    },
    least: { refused: 0.3, read: 0.01 },
  };
}

/** Refused or answered under a code, as JSON; never a fault of the daemon's own. */
async function statusOf(app: FastifyInstance, request: InjectOptions): Promise<string> {
  const { statusCode, payload } = await app.inject(request);
  assert.ok(statusCode < 500, `${statusCode}: ${payload.slice(0, 500)}`);
  return statusCode < 300 ? 'answered' : 'refused';
}

const numa = { name: 'Numa', type: 'numa', version: '1.0.0', endpoint: 'http://localhost:8316' };
const hermesBodies: readonly (readonly [string, object])[] = [
  ['/api/register', { ...numa, capabilities: ['chat'], metadata: { description: 'x' }, component_id: 'numa-1' }],
  [
    '/api/registry/register',
    {
      ...{ name: 'e', component_type: 'tekton', host: 'host.example', port: 8_443, protocol: 'https' },
      ...{ message_endpoint: '/chat', message_format: 'tekton_federated', heartbeat_interval: 30 },
      ...{ capabilities: { version: '1', specialties: ['x'] }, headers: { 'x-a': 'b' } },
    },
  ],
  ['/api/heartbeat', { component_id: 'numa-1', status: { health: 'healthy' } }],
  ['/api/query', { capability: 'chat', healthy_only: true, component_type: 'numa' }],
  ['/api/unregister', { component_id: 'numa-1' }],
  ['/api/federated/message', { to: 'numa', message: 'How are you?' }],
];

/** Bodies and queries of Hermes's routes, on the registrations that they change. */
async function hermes(parts: AsyncDisposableStack): Promise<Target> {
  const database = openDatabase(':memory:', [{ floor: 'daemon', migrations: daemonMigrations }]);
  parts.defer(() => database[Symbol.dispose]());
  const kinds = new Kinds(daemonKinds);
  const local = openLocalCis({
    rows: openRegistrations(database),
    publish: (name, record) => void (record && kinds.encode('ci', name, record)),
    transaction: (change) => database.transaction(change),
    afterRollback: (undo) => database.afterRollback(undo),
    isTaken: (name) => name === 'berlin',
    ...{ now: () => 1_800_000_000_000, monotonic: () => 0, log },
  });
  parts.use(local);
  const app = Fastify({ bodyLimit: 1024 * 1024 });
  parts.defer(() => app.close());
  addHermesRoutes(app, {
    ...{
      cis: { local } as unknown as Cis,
      authenticate: makeAuthenticate(token, 'x'),
      hermes: 'open',
      version: '1',
      log,
    },
    group: async (work) => work(),
    invoke: async (_, input) => ({ ci: (input as { ci: string }).ci, text: 'well' }),
    now: () => 1_800_000_000_000,
  });
  await app.ready();
  return {
    name: 'a body for a route of Hermes',
    valid: (chance) => json(oneOf(chance, hermesBodies)[1]),
    resigned: (chance, odd) => json(spoilValue(oneOf(chance, hermesBodies)[1], odd, chance)),
    decodes: isJson,
    async take(bytes, chance) {
      if (chance() < 0.1) {
        // Its words as those of a query, too.
        const query = encodeURIComponent(Buffer.from(bytes).toString('latin1').slice(0, 500));
        const url = oneOf(chance, [`/api/components?capability=${query}`, `/api/components/${query.slice(0, 90)}`]);
        return statusOf(app, { method: 'GET', url: `${url}&healthy_only=${query}`, headers: asOwner });
      }
      const [url] = oneOf(chance, hermesBodies);
      const isOwner = chance() < 0.7;
      const headers = { ...asOwner, 'content-type': 'application/json', ...(isOwner ? {} : { authorization: '' }) };
      return statusOf(app, { method: 'POST', url, headers, payload: Buffer.from(bytes) });
    },
    async check() {
      assert.ok(local.list().length <= 1_000);
      for (const { name, endpoint } of local.list()) {
        assert.ok(name.length <= 256 && URL.canParse(endpoint));
        const url = `/api/components/${encodeURIComponent(name)}`;
        assert.equal(await statusOf(app, { method: 'GET', url, headers: asOwner }), 'answered', name);
      }
      for (const { id } of local.list()) local.unregister(id, { token: undefined, isOwner: true });
    },
    least: { answered: 0.05, refused: 0.3 },
  };
}

const queries = ['kind=ci&from=3', 'from=now&where=kind%20%3D%3D%20%22ci%22', 'where=labels.tier%3D%3D%22edge%22', ''];

/** Queries of those who follow, over HTTP and as a WebSocket: a filter and a position, or a refusal before the first byte. */
export async function follows(parts: AsyncDisposableStack): Promise<Target> {
  const app = Fastify();
  parts.defer(() => app.close());
  app.setErrorHandler((error, _, reply) => {
    const { status, ...problem } = problemOf(error);
    return reply.code(status).send({ error: problem });
  });
  const server = new EventEmitter();
  const stop = new AbortController();
  parts.defer(() => stop.abort());
  const none = async function* (): AsyncGenerator<never> {};
  const directory = {
    ...{ position: () => 5, backfill: none, follow: none },
    requirePosition(from: number) {
      if (from > 5) throw new RegistryError('position-gone', 'Cannot follow from there');
    },
  } as unknown as Directory;
  const authenticate = makeAuthenticate(token, 'x');
  addLiveRoutes(app, [server as Server], { directory, authenticate, signal: stop.signal, log });
  await app.ready();
  /** What a request line can't carry is written as browsers do, the rest as it comes. */
  const lineOf = (bytes: Uint8Array): string =>
    Buffer.from(bytes.subarray(0, 8_000))
      .toString('latin1')
      .replaceAll(/[^!-~]|#/g, (letter) => `%${(letter.charCodeAt(0) & 255).toString(16).padStart(2, '0')}`);
  const upgrade = async (url: string): Promise<string> => {
    const socket = new PassThrough();
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => parts.push(part));
    const headers = { ...asOwner, connection: 'upgrade', upgrade: 'websocket' };
    const request = { url, headers, method: 'GET', socket } as unknown as IncomingMessage;
    server.emit('upgrade', request, socket, Buffer.alloc(0));
    socket.end();
    await new Promise((resolve) => void socket.once('close', resolve));
    const [line = ''] = Buffer.concat(parts).toString().split('\r\n');
    const status = Number(line.split(' ')[1]);
    assert.ok(status >= 400 && status < 500, `${url.slice(0, 200)}: ${line}`);
    // Its key is missing: what is well up to there is refused by the protocol of WebSockets itself.
    return status === 400 ? 'answered' : 'refused';
  };
  return {
    name: 'a query of one who follows',
    valid: (chance) => Buffer.from(oneOf(chance, queries)),
    resigned(chance) {
      const words = [
        'from',
        'kind',
        'where',
        '-1',
        '9',
        'now',
        '1e3',
        '%',
        '%zz',
        '%ff',
        '999999999999999999',
        '&',
        '=',
      ];
      const some = oneOf(chance, queries).split(/(?<=[&=])|(?=[&=])/);
      for (let count = 1 + below(chance, 4); count > 0; count -= 1)
        some.splice(below(chance, some.length + 1), below(chance, 2), oneOf(chance, words));
      return Buffer.from(some.join(''));
    },
    decodes: (bytes) => URL.canParse(`/ws?${lineOf(bytes)}`, 'http://localhost'),
    async take(bytes, chance) {
      const line = lineOf(bytes);
      if (chance() < 0.3) return upgrade(chance() < 0.8 ? `/ws?${line}` : `/${line}`);
      const last: Record<string, string> = chance() < 0.1 ? { 'last-event-id': line.slice(0, 50) } : {};
      const accept = chance() < 0.5 ? 'text/event-stream' : '*/*';
      return statusOf(app, { method: 'GET', url: `/api/watch?${line}`, headers: { ...asOwner, accept, ...last } });
    },
    least: { answered: 0.1, refused: 0.1 },
  };
}

/** What a called stack answers: a result, or a fault under the code that it names, fit for a terminal. */
function called(): Target {
  const principal = { name: 'owner', stack: 'x', role: 'admin', by: 'socket' } as const;
  const { signal } = new AbortController();
  const answers = [
    { result: { text: 'well', list: [1, { two: null }] } },
    { error: { code: 'not-found', message: 'Cannot find a CI "a"', mend: 'hermesh ls ci' } },
  ];
  return {
    name: 'what a called stack answers',
    valid: (chance) => encodeCbor(oneOf(chance, answers)),
    async take(bytes) {
      const network = { request: async () => bytes } as unknown as Network;
      const call = { operation: 'ci_ask', input: {}, principal };
      try {
        await callOperation({ network, reach: async () => undefined }, 'x', call, signal);
        return 'result';
      } catch (error) {
        const { code, message, status } = problemOf(error);
        assert.ok(typeof status === 'number' && message.length < 4_100, code);
        assert.doesNotMatch(message, /[\p{Cc}\u202a-\u202e]/u);
        return code === 'ci-failed' ? 'shape' : 'fault';
      }
    },
    least: { shape: 0.3, result: 0.05, fault: 0.05 },
  };
}

/** Inputs of operations, as they come by HTTP, MCP and from other stacks: in their shape, or with what is wrong where. */
function inputs(): Target {
  const all = operations.map((operation) => {
    const { properties = {} } = z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any' });
    const value = Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, exampleOf(schema)]));
    return { operation, value };
  });
  return {
    name: 'the input of an operation',
    valid: (chance) => json(oneOf(chance, all).value),
    resigned: (chance, odd) => json(spoilValue(oneOf(chance, all).value, odd, chance)),
    decodes: isJson,
    take(bytes, chance) {
      const text = Buffer.from(bytes).toString();
      const { operation, value } = oneOf(chance, all);
      const input: unknown = isJson(bytes) ? JSON.parse(text) : text;
      // Most inputs belong to another operation: some of its own keys go along.
      const mixed = typeof input === 'object' && input !== null && chance() < 0.5 ? { ...value, ...input } : input;
      const read = parseInput(operation, mixed);
      if ('input' in read) return 'read';
      assert.ok(read.problems.length > 0 && read.problems.length <= 20);
      for (const { pointer, message } of read.problems) assert.ok(typeof pointer === 'string' && message !== '');
      return 'refused';
    },
    least: { refused: 0.3, read: 0.001 },
  };
}

function exampleOf(schema: unknown): unknown {
  const { type, enum: words, default: preset } = schema as { type?: string; enum?: unknown[]; default?: unknown };
  if (preset !== undefined) return preset;
  if (words) return words[0];
  return { string: 'a', integer: 1, number: 1, boolean: true, array: [], object: {} }[type ?? ''] ?? 'a';
}

/** All of them. */
export async function outside(parts: AsyncDisposableStack): Promise<Target[]> {
  return [await identityFile(parts), recordBodies(), await hermes(parts), await follows(parts), called(), inputs()];
}
