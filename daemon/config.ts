// The configuration of one daemon: flags over HOME/config.json over defaults. It alone reads the environment.
import { existsSync, readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { didYouMean } from '#manifests';
import { DaemonError } from './errors.ts';

const stackName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'a name: 1 to 40 of a-z, 0-9 and "-", not at its ends');
const siteTypes = ['bare-metal', 'edge', 'aws', 'gcp', 'azure'] as const;

const settingsSchema = z.strictObject({
  name: stackName.optional(),
  site: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{0,39}(:(bare-metal|edge|aws|gcp|azure))?$/,
      `NAME or NAME:TYPE, with a type of ${siteTypes.join(', ')}`,
    )
    .optional(),
  region: z.string().min(1).max(40).optional(),
  labels: z.record(z.string().regex(/^[a-z0-9][a-z0-9./-]{0,62}$/), z.string().max(128)).optional(),
  http: z.string().optional(),
  listen: z.array(z.string().startsWith('/')).max(10).optional(),
  engine: z.enum(['auto', 'docker', 'podman', 'none']).optional(),
  hermes: z.enum(['closed', 'open']).optional(),
  log: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  dht: z.boolean().optional(),
});

/** What a person may say, in config.json and, under the same names, as flags of `hermesh up`. */
export type Settings = z.infer<typeof settingsSchema>;

export interface Config {
  readonly home: string;
  readonly name: string;
  readonly site: { readonly name: string; readonly type: (typeof siteTypes)[number] };
  readonly region: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly http: { readonly host: string; readonly port: number };
  /** Multiaddrs that libp2p listens on. */
  readonly listen: readonly string[];
  readonly engine: 'auto' | 'docker' | 'podman' | 'none';
  /** Unix sockets where an engine may be, in the order they are tried. */
  readonly engineSockets: { readonly docker: readonly string[]; readonly podman: readonly string[] };
  readonly hermes: 'closed' | 'open';
  readonly log: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly dht: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `--home`, else HERMESH_HOME, else `$XDG_STATE_HOME/hermesh`, else `~/.local/state/hermesh`; absolute. */
export function homeOf(option: string | undefined, environment: Environment = process.env): string {
  const state = environment['XDG_STATE_HOME'] ?? path.join(homedir(), '.local', 'state');
  return path.resolve(option ?? environment['HERMESH_HOME'] ?? path.join(state, 'hermesh'));
}

/** Flags win over config.json, which wins over defaults. Throws `bad-config` with the key, the place and the mend. */
export function readConfig(home: string, flags: Settings, environment: Environment = process.env): Config {
  const file = path.join(home, 'config.json');
  const settings = { ...readFile(file), ...dropUndefined(parseSettings(flags, 'the options of "hermesh up"')) };
  const [siteName = 'local', siteType = 'bare-metal'] = (settings.site ?? 'local').split(':');
  return {
    home,
    name: settings.name ?? nameOfHost(),
    site: { name: siteName, type: siteType as Config['site']['type'] },
    region: settings.region,
    labels: settings.labels ?? {},
    http: parseHostPort(settings.http ?? '127.0.0.1:8001'),
    listen: settings.listen ?? ['/ip4/0.0.0.0/tcp/4801'],
    engine: settings.engine ?? 'auto',
    engineSockets: engineSockets(environment),
    hermes: settings.hermes ?? 'closed',
    log: settings.log ?? 'info',
    dht: settings.dht ?? false,
  };
}

function readFile(file: string): Settings {
  if (!existsSync(file)) return {};
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new DaemonError('bad-config', `Cannot read "${file}": ${(cause as Error).message}`, {
      cause,
      mend: 'mend its JSON',
    });
  }
  return parseSettings(value, `"${file}"`);
}

function parseSettings(value: unknown, where: string): Settings {
  const parsed = settingsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys(settingsSchema.shape);
  const problems = parsed.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .map((key) => [`unknown key "${key}"`, didYouMean(key, known)].filter(Boolean).join(', '))
        .join(', ');
    }
    return `"${issue.path.join('.')}": ${issue.message}`;
  });
  throw new DaemonError('bad-config', `Cannot use the configuration in ${where}: ${problems.join('; ')}`, {
    mend: `known keys are ${known.join(', ')}`,
  });
}

function parseHostPort(value: string): Config['http'] {
  const match = /^(.+):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  if (!match?.[1] || port > 65_535) {
    throw new DaemonError('bad-config', `Cannot use "${value}" for --http: it isn't HOST:PORT`, {
      mend: 'for example --http 127.0.0.1:8001',
    });
  }
  const host = match[1].replace(/^\[|\]$/g, '');
  if (!['127.0.0.1', '::1', 'localhost'].includes(host)) {
    throw new DaemonError('exposed-without-tls', `Cannot listen on "${value}": only loopback is served without TLS`, {
      mend: 'use 127.0.0.1, and reach it from elsewhere by an SSH tunnel or through another stack of the mesh',
    });
  }
  return { host, port };
}

function nameOfHost(): string {
  const name = hostname()
    .split('.')[0]
    ?.toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  return name || 'stack';
}

function engineSockets(environment: Environment): Config['engineSockets'] {
  const host = environment['DOCKER_HOST'];
  const fromHost = host?.startsWith('unix://') ? [host.slice('unix://'.length)] : [];
  const runtime = environment['XDG_RUNTIME_DIR'];
  return {
    docker: [...fromHost, '/var/run/docker.sock', ...(runtime ? [path.join(runtime, 'docker.sock')] : [])],
    podman: [...(runtime ? [path.join(runtime, 'podman', 'podman.sock')] : []), '/run/podman/podman.sock'],
  };
}

function dropUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Partial<T>;
}
