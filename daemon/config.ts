// The configuration of one daemon: flags over HOME/config.json over defaults. It alone reads the environment.
import { createHash } from 'node:crypto';
import { homedir, hostname } from 'node:os';
import path from 'node:path';
import { DaemonError } from './errors.ts';
import type { Settings, siteTypes } from './settings.ts';

export interface Config {
  readonly home: string;
  readonly name: string;
  /** Whether somebody said the name; else it is the host's, and a stack that has one keeps its own. */
  readonly isNamed: boolean;
  readonly site: { readonly name: string; readonly type: (typeof siteTypes)[number] };
  readonly region: string | undefined;
  /** The zone to found, or to ask for when joining; undefined: that of the stack which invites. */
  readonly zone?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly http: { readonly host: string; readonly port: number };
  /** Multiaddrs that libp2p listens on. */
  readonly listen: readonly string[];
  readonly engine: 'auto' | 'docker' | 'podman' | 'none';
  /** Unix sockets where an engine may be, in the order they are tried. */
  readonly engineSockets: { readonly docker: readonly string[]; readonly podman: readonly string[] };
  /** Files in the form of Docker's config.json, where logins to registries stand; the first that knows a registry wins. */
  readonly loginFiles: readonly string[];
  /** Mirrors of Debian to ask instead of the machine's apt, and who may sign what they say. */
  readonly mirrors?: readonly string[] | undefined;
  readonly keyring?: string | undefined;
  readonly hermes: 'closed' | 'open';
  readonly log: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly dht: boolean;
  /** A folder in memory for the files that containers find their secrets in. */
  readonly secretsFolder: string;
  /** A secret that the environment of the daemon has, as HERMESH_SECRET_NAME. */
  readonly secretOf: (name: string) => string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `--home`, else HERMESH_HOME, else `$XDG_STATE_HOME/hermesh`, else `~/.local/state/hermesh`; absolute. */
export function homeOf(option: string | undefined, environment: Environment = process.env): string {
  const state = environment['XDG_STATE_HOME'] ?? path.join(homedir(), '.local', 'state');
  return path.resolve(option ?? environment['HERMESH_HOME'] ?? path.join(state, 'hermesh'));
}

/** Flags win over config.json, which wins over defaults. Throws `bad-config` with the key, the place and the mend. */
export async function readConfig(
  home: string,
  flags: Settings,
  environment: Environment = process.env,
): Promise<Config> {
  // Every command needs to know the home, and only the daemon all the rest.
  const { parseSettings, readSettings } = await import('./settings.ts');
  const file = path.join(home, 'config.json');
  const settings = { ...readSettings(file), ...dropUndefined(parseSettings(flags, 'the options of "hermesh up"')) };
  const [siteName = 'local', siteType = 'bare-metal'] = (settings.site ?? 'local').split(':');
  return {
    home,
    name: settings.name ?? nameOfHost(),
    isNamed: settings.name !== undefined,
    site: { name: siteName, type: siteType as Config['site']['type'] },
    region: settings.region,
    zone: settings.zone,
    labels: settings.labels ?? {},
    http: parseHostPort(settings.http ?? '127.0.0.1:8001'),
    listen: settings.listen ?? ['/ip4/0.0.0.0/tcp/4801'],
    engine: settings.engine ?? 'auto',
    engineSockets: engineSockets(settings.engine ?? 'auto', environment),
    loginFiles: loginFiles(environment),
    mirrors: settings.mirror,
    keyring: settings.keyring,
    hermes: settings.hermes ?? 'closed',
    log: settings.log ?? 'info',
    dht: settings.dht ?? false,
    secretsFolder: `/dev/shm/hermesh-${createHash('sha256').update(home).digest('hex').slice(0, 16)}`,
    secretOf: (name) => environment[`HERMESH_SECRET_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`],
  };
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

function engineSockets(engine: Config['engine'], environment: Environment): Config['engineSockets'] {
  const host = environment['DOCKER_HOST'] ?? '';
  const fromHost = host.startsWith('unix://') ? [host.slice('unix://'.length)] : [];
  if (host !== '' && fromHost.length === 0 && engine !== 'none') {
    throw new DaemonError(
      'bad-config',
      `Cannot use the engine of DOCKER_HOST="${host}": a stack stands beside its engine`,
      {
        mend: 'start the stack on that host, unset DOCKER_HOST, or start with --engine none',
      },
    );
  }
  const runtime = environment['XDG_RUNTIME_DIR'];
  return {
    docker: [...fromHost, '/var/run/docker.sock', ...(runtime ? [path.join(runtime, 'docker.sock')] : [])],
    podman: [...(runtime ? [path.join(runtime, 'podman', 'podman.sock')] : []), '/run/podman/podman.sock'],
  };
}

/** Where Docker and Podman keep them; `manifest lock` reads them too, without a daemon. */
export function loginFiles(environment: Environment = process.env): readonly string[] {
  const runtime = environment['XDG_RUNTIME_DIR'];
  const docker = environment['DOCKER_CONFIG'] ?? path.join(homedir(), '.docker');
  return [
    ...(environment['REGISTRY_AUTH_FILE'] ? [environment['REGISTRY_AUTH_FILE']] : []),
    ...(runtime ? [path.join(runtime, 'containers', 'auth.json')] : []),
    path.join(docker, 'config.json'),
  ];
}

function dropUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Partial<T>;
}
