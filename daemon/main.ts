// Runs one stack in the foreground: says what it is, and stops within 5 s of being told to.
import { type DestinationStream, pino } from 'pino';
import { describeEngine } from '#daemon/deploy';
import { openLibp2pNetwork } from '#daemon/libp2p';
import type { Config } from './config.ts';
import { cryptoRandom, type Node, openNode } from './node.ts';
import { mcpSnippet } from './snippets.ts';

/** What `docker stop` would grant is 10 s; the promise is half of it. */
const stopWithinMs = 4_500;

export interface DaemonOptions {
  readonly join: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Aborted by SIGTERM, SIGINT or SIGHUP. */
  readonly signal: AbortSignal;
}

/** Resolves when the daemon has stopped. Rejects with the fault that kept it from starting, or that ended it. */
export async function runDaemon(config: Config, { join, json, quiet, signal }: DaemonOptions): Promise<void> {
  const log = pino({ level: config.log, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, await openLog());
  const ended = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => ended.resolve());
  // A rejection that nobody awaited is a fault of the program: it is told, and the daemon goes on serving.
  process.on('unhandledRejection', (error) => log.error({ error: describe(error) }, 'unhandled rejection'));

  const node = await openNode({
    config,
    join,
    log,
    now: Date.now,
    monotonic: () => performance.now(),
    random: cryptoRandom,
    openNetwork: ({ identity, log: room }) =>
      openLibp2pNetwork({ identity, listen: config.listen, dht: config.dht, log: room }),
    onFault: (error) => ended.reject(error),
    signal,
  });
  if (!quiet) process.stdout.write(json ? `${JSON.stringify(announcement(node))}\n` : block(node));
  log.info({ stack: node.context.registry.stack, http: node.context.links.http }, 'ready');
  try {
    await ended.promise;
  } finally {
    log.info({}, 'stopping');
    const late = setTimeout(() => {
      log.error({}, 'parts did not close in time');
      process.exit(1);
    }, stopWithinMs);
    await node[Symbol.asyncDispose]();
    clearTimeout(late);
    log.info({}, 'stopped');
  }
}

/** Lines of JSON for programs; on a terminal, lines that a person reads. */
async function openLog(): Promise<DestinationStream> {
  if (!process.stderr.isTTY) return pino.destination({ fd: 2, sync: true });
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination: 2,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'room',
    messageFormat: '{if room}{room}: {end}{msg}',
  });
}

function announcement({ context }: Node): Record<string, unknown> {
  const { config, registry, links } = context;
  return {
    name: config.name,
    stack: registry.stack,
    home: config.home,
    http: links.http,
    socket: links.socket,
    addresses: context.addresses(),
    engine: context.engineState(),
    mcp: mcpSnippet('claude', config.home).value,
  };
}

/** What a person wants to see once. */
function block(node: Node): string {
  const { context } = node;
  const { config, registry, links } = context;
  return [
    `name      ${config.name}`,
    `stack id  ${registry.stack}`,
    `HTTP      ${links.http}  (token in ${config.home}/token)`,
    `libp2p    ${context.addresses()[0] ?? '-'}`,
    `engine    ${describeEngine(context.engineState())}`,
    `MCP       ${JSON.stringify(mcpSnippet('claude', config.home).value)}`,
    '',
    'Ctrl-C stops it. Next: hermesh status',
    '',
  ].join('\n');
}

function describe(error: unknown): object {
  return error instanceof Error
    ? { name: error.name, message: error.message, stack: error.stack }
    : { message: String(error) };
}
