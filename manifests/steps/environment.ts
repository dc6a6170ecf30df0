// The environment of a step: the same on every machine, with what makes each language's tools repeat themselves and stay offline.
import type { LockfileKind } from '#manifests/schema';

/** Where a step works, and where its tools keep what they must write: both are gone when it ends. */
const home = '/tmp/home';

/** What every step has; the manifest's own words win over it. */
const fixed = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: home,
  USER: 'root',
  TMPDIR: '/tmp',
  LC_ALL: 'C.UTF-8',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  // Nobody looks at it, and tools that ask would wait for ever.
  CI: 'true',
  TERM: 'dumb',
  NO_COLOR: '1',
  DEBIAN_FRONTEND: 'noninteractive',
  // Owners can't be set in a step: it has no capabilities.
  TAR_OPTIONS: '--no-same-owner',
  // Python: order of sets, and no compiled files, which hold times.
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUNBUFFERED: '1',
  // Perl: order of hashes.
  PERL_HASH_SEED: '0',
  // Go: no paths and no version control in programs, its own caches below /tmp.
  GOFLAGS: '-trimpath -buildvcs=false -modcacherw',
  GOCACHE: '/tmp/go-build',
  GOPATH: '/tmp/go',
  GOTOOLCHAIN: 'local',
  GOTELEMETRY: 'off',
  GOSUMDB: 'off',
  GOPROXY: 'off',
  // Rust: the places of sources and of dependencies mean nothing.
  CARGO_HOME: '/tmp/cargo',
  CARGO_INCREMENTAL: '0',
  CARGO_NET_OFFLINE: 'true',
  RUSTFLAGS:
    '--remap-path-prefix=/tmp/build=/src --remap-path-prefix=/cache/cargo=/cargo --remap-path-prefix=/tmp/cargo=/cargo',
  // npm and its kin.
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  npm_config_progress: 'false',
  npm_config_logs_max: '0',
  npm_config_offline: 'true',
  NEXT_TELEMETRY_DISABLED: '1',
  ASTRO_TELEMETRY_DISABLED: '1',
  // Python's installer.
  PIP_NO_INDEX: '1',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_NO_CACHE_DIR: '1',
  PIP_ROOT_USER_ACTION: 'ignore',
  // Where they are told to be offline by their environment.
  COMPOSER_DISABLE_NETWORK: '1',
  COMPOSER_ALLOW_SUPERUSER: '1',
  COMPOSER_HOME: '/tmp/composer',
  BUNDLE_FROZEN: 'true',
  DOTNET_CLI_TELEMETRY_OPTOUT: '1',
  GRADLE_USER_HOME: '/tmp/gradle',
  MAVEN_OPTS: '-Dmaven.repo.local=/tmp/m2',
} as const satisfies Record<string, string>;

/** The registry that npm takes its cache to be of, in a step without a network: nobody's. */
export const npmCacheRegistry = 'https://npm.invalid';

/** What a kind of lock file adds where a step reads its artifacts, which lie at /cache/KIND. */
const ofCache: Partial<Record<LockfileKind, Readonly<Record<string, string>>>> = {
  // What the lock names is found by its hash, wherever it came from.
  npm: { npm_config_cache: '/tmp/npm', npm_config_registry: `${npmCacheRegistry}/` },
  poetry: { PIP_FIND_LINKS: '/cache/poetry' },
  uv: { PIP_FIND_LINKS: '/cache/uv', UV_OFFLINE: '1', UV_FIND_LINKS: '/cache/uv', UV_NO_INDEX: '1' },
  go: { GOPROXY: 'file:///cache/go' },
};

/** The whole environment of a step, by name. `own` is the manifest's, and wins. */
export function stepEnvironment({
  own,
  caches,
  epochSeconds,
}: {
  readonly own: Readonly<Record<string, string>>;
  readonly caches: readonly LockfileKind[];
  readonly epochSeconds: number;
}): Readonly<Record<string, string>> {
  const all: Record<string, string> = {
    ...fixed,
    SOURCE_DATE_EPOCH: String(epochSeconds),
  };
  // Places where wheels lie are one list for all kinds of Python's locks.
  const links: string[] = [];
  for (const kind of [...caches].sort()) {
    const { PIP_FIND_LINKS: place, ...added } = ofCache[kind] ?? {};
    if (place !== undefined) links.push(place);
    Object.assign(all, added);
  }
  if (links.length > 0) all['PIP_FIND_LINKS'] = links.join(' ');
  return { ...all, ...own };
}
