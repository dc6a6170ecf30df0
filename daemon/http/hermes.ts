// Hermes's routes, as Tekton's components call them: spelling, naming of keys and statuses included.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Cis, Registration, Speaker } from '#daemon/cis';
import type { CiAnswer } from '../answer.ts';
import { DaemonError } from '../errors.ts';
import type { Invoke } from '../invoke.ts';
import { problemOf } from '../problem.ts';
import type { Authenticate } from './authenticate.ts';
import { refuseOtherPages } from './authenticate.ts';

const word = z.string().min(1).max(256);
const capabilities = z.union([z.array(z.string().max(256)).max(50), z.record(z.string(), z.unknown())]).default([]);

/** Both shapes that are in use: Hermes's own, and that of a local CI with a host and a port. Unknown keys are ignored. */
const registerBody = z.object({
  component_id: word.optional(),
  componentId: word.optional(),
  name: word.regex(/^[a-zA-Z0-9][a-zA-Z0-9 ._-]*$/),
  version: word.optional(),
  type: word.optional(),
  component_type: word.optional(),
  endpoint: z.string().max(256).optional(),
  host: word.optional(),
  port: z.int().min(1).max(65_535).optional(),
  protocol: z.enum(['http', 'https', 'tcp']).default('http'),
  message_endpoint: z.string().max(256).startsWith('/').optional(),
  messageEndpoint: z.string().max(256).startsWith('/').optional(),
  message_format: word.optional(),
  messageFormat: word.optional(),
  headers: z.record(z.string().max(128), z.string().max(4096)).default({}),
  heartbeat_interval: z.number().min(5).max(300).optional(),
  capabilities,
  metadata: z.record(z.string(), z.unknown()).default({}),
});

const heartbeatBody = z.object({
  component_id: word.optional(),
  componentId: word.optional(),
  status: z.unknown().optional(),
});
const queryBody = z.object({
  capability: z.string().nullish(),
  component_type: z.string().nullish(),
  componentType: z.string().nullish(),
  healthy_only: z.union([z.boolean(), z.stringbool()]).default(false),
  healthyOnly: z.boolean().default(false),
});
const messageBody = z.object({
  to: word.optional(),
  target: word.optional(),
  ci: word.optional(),
  message: z.string().min(1).max(4000),
});

/** Hermes calls a component healthy when it was heard of within this. */
const healthyWithinMs = 60_000;

interface Parts {
  readonly cis: Cis;
  readonly group: <T>(work: () => T) => Promise<T>;
  readonly authenticate: Authenticate;
  readonly invoke: Invoke;
  /** `open`: requests without a token may register, from this host, marked as unauthenticated. */
  readonly hermes: 'closed' | 'open';
  readonly version: string;
  readonly now: () => number;
  readonly log: Logger;
}

/** Their faults have FastAPI's form beside ours: `detail` is a sentence, and for 422 a list of what is wrong where. */
export function addHermesRoutes(app: FastifyInstance, parts: Parts): void {
  app.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => {
      const { status, ...problem } = problemOf(error);
      if (status >= 500) parts.log.error({ error, url: request.url }, 'request failed');
      return reply.code(status).send({ error: problem, detail: status === 422 ? detailsOf(error) : problem.message });
    });
    addRoutes(scope, parts);
  });
}

function addRoutes(app: FastifyInstance, { cis, group, authenticate, invoke, hermes, version, now }: Parts): void {
  const { local } = cis;
  const startedAt = now();

  /** Whether the caller proved who it is; throws where it didn't and the routes are closed. */
  const enter = (request: FastifyRequest): boolean => {
    const principal = authenticate.principalIfAny(request.raw);
    if (principal) return true;
    if (hermes !== 'open') return authenticate.principal(request.raw) !== undefined;
    refuseOtherPages(request.raw);
    const hasBody = request.method === 'POST' && Number(request.headers['content-length'] ?? '0') > 0;
    if (hasBody && !request.headers['content-type']?.startsWith('application/json')) {
      throw new DaemonError('forbidden', 'Cannot take this body: only application/json is taken here');
    }
    return false;
  };

  const register = async (request: FastifyRequest): Promise<object> => {
    const authenticated = enter(request);
    const body = registerBody.parse(request.body);
    const registering = {
      id: body.component_id ?? body.componentId,
      name: body.name,
      version: body.version ?? '0.0.0',
      type: body.type ?? body.component_type ?? 'component',
      endpoint: body.endpoint ?? endpointOf(body),
      messageEndpoint: body.message_endpoint ?? body.messageEndpoint ?? '/api/message',
      messageFormat: body.message_format ?? body.messageFormat ?? 'json_simple',
      headers: body.headers,
      capabilities: Array.isArray(body.capabilities) ? body.capabilities : Object.keys(body.capabilities),
      metadata: body.metadata,
      intervalMs: body.heartbeat_interval === undefined ? undefined : body.heartbeat_interval * 1000,
      authenticated,
    };
    const { registration, token } = await group(() => local.register(registering));
    return {
      success: true,
      componentId: registration.id,
      component_id: registration.id,
      token,
      message: 'Component registered successfully',
    };
  };

  app.post('/api/register', register);
  app.post('/api/registry/register', register);

  /** A component's own token is enough to speak for that component; which one it opens is checked with the registration. */
  const enterAsComponent = (request: FastifyRequest): Speaker => {
    const token = componentToken(request);
    if (token === undefined) return { token, isOwner: enter(request) };
    if (!authenticate.isTrusted(request.raw)) refuseOtherPages(request.raw);
    return { token, isOwner: false };
  };

  app.post('/api/heartbeat', async (request) => {
    const by = enterAsComponent(request);
    const body = heartbeatBody.parse(request.body);
    const id = body.component_id ?? body.componentId;
    if (id === undefined) throw new DaemonError('bad-input', 'Cannot take the heartbeat: "component_id" is missing');
    // Most beats change no record and touch no disk.
    if (local.find(id)?.stale) await group(() => local.heartbeat(id, by));
    else local.heartbeat(id, by);
    return { success: true, timestamp: now() / 1000, message: 'Heartbeat received' };
  });

  app.post('/api/unregister', async (request) => {
    const by = enterAsComponent(request);
    const query = request.query as { component_id?: string; componentId?: string };
    const body = (request.body ?? {}) as { component_name?: unknown; component_id?: unknown };
    const id = query.component_id ?? query.componentId ?? body.component_id ?? body.component_name;
    if (typeof id !== 'string') throw new DaemonError('bad-input', 'Cannot unregister: "component_id" is missing');
    await group(() => local.unregister(id, by));
    return { success: true, message: 'Component unregistered successfully' };
  });

  app.post('/api/query', async (request) => {
    enter(request);
    return select(queryBody.parse(request.body ?? {})).map((one) => ({
      componentId: one.id,
      name: one.name,
      version: one.version,
      type: one.type,
      endpoint: one.endpoint,
      capabilities: one.capabilities,
      metadata: { type: one.type, ...one.metadata },
      healthy: isHealthy(one),
      lastHeartbeat: seconds(one.lastHeartbeat),
    }));
  });

  app.get('/api/components', async (request) => {
    enter(request);
    const components = select(queryBody.parse(request.query ?? {})).map(component);
    return { total: components.length, components };
  });

  app.get('/api/components/:name', async (request, reply) => {
    enter(request);
    const { name } = request.params as { name: string };
    const found = local.find(name);
    if (!found) return reply.code(404).send({ detail: `Component '${name}' not found` });
    return component(found);
  });

  app.get('/api/health', async (request) => {
    enter(request);
    const uptime = (now() - startedAt) / 1000;
    return {
      status: 'healthy',
      component: 'hermes',
      version,
      timestamp: now() / 1000,
      uptime,
      port: request.raw.socket.localPort ?? null,
      registeredWithHermes: false,
      dependencies: [],
      metrics: {},
      details: { registered_components: local.list().length, uptime },
    };
  });

  app.get('/discovery', async (request) => {
    enter(request);
    return {
      component: 'hermes',
      version,
      description: 'The registry of a stack of Hermesh',
      endpoints: discovered.map(([method, path, description]) => ({ path, method, description })),
      capabilities: ['registration', 'heartbeat', 'query'],
      dependencies: [],
      metadata: {},
    };
  });

  app.post('/api/federated/message', async (request) => {
    const principal = authenticate.principal(request.raw);
    const body = messageBody.parse(request.body);
    const ci = body.to ?? body.target ?? body.ci;
    if (ci === undefined) throw new DaemonError('bad-input', 'Cannot pass the message on: "to" is missing');
    const signal = AbortSignal.timeout(35_000);
    const call = { principal, report: () => undefined, signal };
    const answer = (await invoke('ci_ask', { ci, question: body.message }, call)) as CiAnswer;
    return { success: true, from: answer.ci, response: answer.text };
  });

  const isHealthy = (one: Registration): boolean =>
    one.lastHeartbeat !== undefined && now() - one.lastHeartbeat <= healthyWithinMs;

  const select = (query: z.output<typeof queryBody>): Registration[] => {
    const type = query.component_type ?? query.componentType;
    return local
      .list()
      .filter((one) => query.capability == null || one.capabilities.includes(query.capability))
      .filter((one) => type == null || one.type === type)
      .filter((one) => !(query.healthy_only || query.healthyOnly) || isHealthy(one));
  };

  const component = (one: Registration): object => ({
    component_id: one.id,
    name: one.name,
    version: one.version,
    type: one.type,
    port: portOf(one.endpoint),
    status: isHealthy(one) ? 'healthy' : one.stale ? 'stale' : 'unhealthy',
    capabilities: one.capabilities,
    endpoint: one.endpoint,
    last_heartbeat: seconds(one.lastHeartbeat),
    registered_at: seconds(one.registeredAt),
    metadata: { type: one.type, ...one.metadata },
  });
}

const discovered = [
  ['POST', '/api/register', 'Register a component'],
  ['POST', '/api/heartbeat', 'Say that a component lives'],
  ['POST', '/api/unregister', 'Take a component out'],
  ['POST', '/api/query', 'Find components'],
  ['GET', '/api/components', 'List components'],
] as const;

function detailsOf(error: unknown): readonly object[] {
  if (error instanceof z.ZodError) {
    return error.issues.map(({ code, path, message }) => ({ type: code, loc: ['body', ...path], msg: message }));
  }
  return [{ type: 'value_error', loc: ['body'], msg: (error as Error).message }];
}

function endpointOf({ protocol, host, port, name }: z.output<typeof registerBody>): string {
  if (port === undefined) {
    throw new DaemonError('bad-input', `Cannot register "${name}": it has neither "endpoint" nor "port"`, {
      mend: 'say where it listens, such as "endpoint": "http://127.0.0.1:9000"',
    });
  }
  return `${protocol}://${host ?? '127.0.0.1'}:${port}`;
}

function componentToken(request: FastifyRequest): string | undefined {
  const header = request.headers['x-authentication-token'];
  return typeof header === 'string' ? header : undefined;
}

function portOf(endpoint: string): number | null {
  const { port, protocol } = new URL(endpoint);
  return Number(port) || (protocol === 'https:' ? 443 : protocol === 'http:' ? 80 : null);
}

function seconds(at: number | undefined): number | null {
  return at === undefined ? null : at / 1000;
}
