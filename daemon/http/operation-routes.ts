// The operations as routes: input from path, query and body, output as JSON or as text, and progress as lines where it is asked for.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { DaemonOperation } from '#daemon/operations';
import type { Invoke } from '../invoke.ts';
import { problemOf } from '../problem.ts';
import type { Authenticate } from './authenticate.ts';
import { makeOpenApi } from './openapi.ts';

interface Parts {
  readonly operations: readonly DaemonOperation[];
  readonly invoke: Invoke;
  readonly authenticate: Authenticate;
  readonly version: string;
}

export function addOperationRoutes(app: FastifyInstance, { operations, invoke, authenticate, version }: Parts): void {
  let document: object | undefined;
  app.get('/api/openapi.json', (request) => {
    authenticate.principal(request.raw);
    document ??= makeOpenApi(operations, version);
    return document;
  });
  for (const operation of operations) {
    const switches = switchesOf(operation);
    app.route({
      method: operation.http.method,
      url: operation.http.path,
      async handler(request, reply) {
        const principal = authenticate.principal(request.raw);
        const closed = new AbortController();
        // Also an answer that was sent whole is closed in the end; then nobody waits for the signal any more.
        reply.raw.once('close', () => void (reply.raw.writableFinished || closed.abort()));
        const input = inputOf(request, switches);
        const { accept = '' } = request.headers;
        if (!accept.includes('application/x-ndjson')) {
          const result = await invoke(operation.name, input, {
            principal,
            report: () => undefined,
            signal: closed.signal,
          });
          return accept.startsWith('text/plain')
            ? reply.type('text/plain; charset=utf-8').send(operation.text(result))
            : result;
        }
        await inLines(reply, (report) => invoke(operation.name, input, { principal, report, signal: closed.signal }));
        return reply;
      },
    });
  }
}

/** Path over body over query: what names the thing can't be overridden by what is said about it. */
function inputOf(request: FastifyRequest, switches: readonly string[]): Record<string, unknown> {
  const body = typeof request.body === 'object' && request.body !== null ? request.body : {};
  const query = request.query as Record<string, unknown>;
  // A query holds only words; one that is neither of these two is refused by the schema.
  for (const key of switches) {
    if (query[key] === 'true' || query[key] === 'false') query[key] = query[key] === 'true';
  }
  return { ...query, ...body, ...(request.params as object) };
}

/** The keys of the input that are true or false. */
function switchesOf(operation: DaemonOperation): readonly string[] {
  const isSwitch = (schema: unknown): boolean => {
    const { type, innerType } = (schema as { def: { type: string; innerType?: unknown } }).def;
    return type === 'boolean' || (innerType !== undefined && isSwitch(innerType));
  };
  const { shape } = operation.input as z.ZodObject;
  return Object.keys(shape).filter((key) => isSwitch(shape[key]));
}

/** One JSON value a line: progress as it comes, then the result or the error. The status is sent before the outcome is known. */
async function inLines(
  reply: FastifyReply,
  work: (report: (progress: object) => void) => Promise<unknown>,
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  const line = (value: object): void => void (raw.writableEnded || raw.write(`${JSON.stringify(value)}\n`));
  try {
    line({ result: await work((progress) => line({ progress })) });
  } catch (error) {
    const { status: _status, ...problem } = problemOf(error);
    line({ error: problem });
  }
  raw.end();
}
