// How the machine's apt is asked for Debian packages without touching the machine: a state of its own, the sources and keys of /etc/apt.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ManifestError, type Platform } from '#manifests';
import {
  architectureOf,
  type LockedPackage,
  lockedPackageSchema,
  type PackageSource,
  unavailablePackage,
  unknownPackage,
} from '#manifests/debian';

/** Where apt keeps its state, and how old its lists may be. */
export interface AptOptions {
  /** A folder of its own, which is made where it isn't there. */
  readonly directory: string;
  /** Lists older than this are fetched anew, in milliseconds; one hour unless told, 0 for always. */
  readonly maxListAgeMs?: number;
  /** Called with what goes wrong without stopping anything, such as one source of several that can't be reached. */
  readonly warn?: (message: string) => void;
  readonly now?: () => number;
}

interface Apt {
  readonly folder: string;
  /** The addresses of the archives that it has lists of; asked once, forgotten when the lists change. */
  bases: Promise<readonly string[]> | undefined;
  /** Which of them holds a package, by its SHA-256, as far as it was resolved here. */
  readonly origins: Map<string, string>;
  /** Runs a program of apt with the private configuration; `status` is its exit code. */
  run(program: string, args: readonly string[], signal: AbortSignal): Promise<Output>;
}

interface Output {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

const execFileAsync = promisify(execFile);
const hourMs = 3_600_000;
/** `--print-uris` writes about 300 bytes a package. */
const maxOutputBytes = 16 * 1024 * 1024;
/** Debian's whole index over a slow line. */
const updateTimeoutMs = 300_000;
/** A command line stays far below what Linux takes. */
const maxBatch = 64;
const helper = '/usr/lib/apt/apt-helper';

/** Packages from the machine's Debian sources. Its calls throw `no-apt` where there is no apt. */
export function openAptPackageSource({
  directory,
  maxListAgeMs = hourMs,
  warn,
  now = Date.now,
}: AptOptions): PackageSource {
  const ready = new Map<string, Apt>();
  const turns = new Map<string, Promise<unknown>>();
  // One caller at a time prepares and updates: apt locks its lists, and who comes second finds them fresh.
  const inTurn = async (architecture: string, work: () => Promise<Apt>): Promise<Apt> => {
    const before = turns.get(architecture) ?? Promise.resolve();
    const mine = before.then(work);
    turns.set(
      architecture,
      mine.catch(() => undefined),
    );
    return await mine;
  };
  const open = (architecture: string, mayBeOld: boolean, signal: AbortSignal): Promise<Apt> =>
    inTurn(architecture, async () => {
      signal.throwIfAborted();
      const apt = ready.get(architecture) ?? (await prepare(path.join(directory, architecture), architecture, signal));
      ready.set(architecture, apt);
      if (!mayBeOld || !(await hasLists(apt))) await updateLists(apt, { maxListAgeMs, warn, now, signal });
      return apt;
    });
  const downloads = new Map<string, Downloads>();
  return {
    async resolve(names, platform, { signal }) {
      const apt = await open(architectureOf(platform), false, signal);
      return await resolveNames(apt, names, platform, signal);
    },
    async fetch(locked, { signal }) {
      const apt = await open(locked.architecture === 'all' ? machineArchitecture() : locked.architecture, true, signal);
      const queue = downloads.get(apt.folder) ?? new Downloads(apt);
      downloads.set(apt.folder, queue);
      return await queue.fetch(locked, signal);
    },
  };
}

async function prepare(folder: string, architecture: string, signal: AbortSignal): Promise<Apt> {
  // What a process that was killed had fetched and not taken.
  await rm(path.join(folder, 'download'), { recursive: true, force: true });
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'download', 'none']) {
    await mkdir(path.join(folder, name), { recursive: true, mode: 0o700 });
  }
  await writeFile(path.join(folder, 'status'), '');
  const bare = await run('apt-config', ['dump'], { LC_ALL: 'C' }, signal);
  const lines = bare.out.split('\n');
  // Proxies and certificates of the machine count; its hooks don't: they would run as if the machine itself were updated.
  const kept = lines.filter((line) => /^Acquire::https?(::| )/.test(line));
  const own: Record<string, string> = {
    'Dir::State': path.join(folder, 'state'),
    'Dir::State::status': path.join(folder, 'status'),
    'Dir::Cache': path.join(folder, 'cache'),
    'Dir::Etc::parts': path.join(folder, 'none'),
    'Dir::Etc::main': '/dev/null',
    'APT::Architecture': architecture,
    'APT::Install-Recommends': 'false',
    'APT::Get::Assume-Yes': 'true',
    'APT::Color': 'false',
    'APT::Color::Show': 'false',
    // The private folder is closed to apt's own user, and what comes is checked by its hash.
    'APT::Sandbox::User': 'root',
    'Acquire::ForceHash': 'SHA256',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '30',
    'Dpkg::Use-Pty': 'false',
  };
  const config = path.join(folder, 'apt.conf');
  const text = Object.entries(own).map(([key, value]) => `${key} "${value}";`);
  await writeFile(config, `${[...kept, ...text, `APT::Architectures { "${architecture}"; };`].join('\n')}\n`);
  const environment = { LC_ALL: 'C', APT_CONFIG: config };
  return {
    folder,
    bases: undefined,
    origins: new Map(),
    run: (program, args, stop) => run(program, args, environment, stop),
  };
}

async function updateLists(
  apt: Apt,
  {
    maxListAgeMs,
    warn,
    now,
    signal,
  }: { maxListAgeMs: number; warn?: AptOptions['warn']; now: () => number; signal: AbortSignal },
): Promise<void> {
  const stamp = path.join(apt.folder, 'updated');
  const at = await stat(stamp).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  if (now() - at < maxListAgeMs && (await hasLists(apt))) return;
  const done = await apt.run('apt-get', ['update'], AbortSignal.any([signal, AbortSignal.timeout(updateTimeoutMs)]));
  apt.bases = undefined;
  const faults = done.err.split('\n').filter((line) => /^[EW]: /.test(line));
  if (!(await hasLists(apt))) {
    throw new ManifestError(
      'mirror-unreachable',
      `Cannot read the lists of packages: ${faults[0] ?? `apt-get update ended with ${done.status}`}; check the sources in /etc/apt and the network`,
      { mayRetry: true },
    );
  }
  // A source of somebody else's that is broken takes nothing from Debian's own.
  for (const fault of faults) warn?.(fault);
  await writeFile(stamp, '');
}

async function hasLists(apt: Apt): Promise<boolean> {
  const names = await readdir(path.join(apt.folder, 'state/lists')).catch(() => []);
  return names.some((name) => /_Packages(\.\w+)?$/.test(name));
}

async function resolveNames(
  apt: Apt,
  names: readonly string[],
  platform: Platform,
  signal: AbortSignal,
): Promise<readonly LockedPackage[]> {
  if (names.length === 0) return [];
  const done = await apt.run('apt-get', ['install', '--print-uris', '--', ...names], signal);
  if (done.status !== 0) {
    const unknown = /E: (?:Unable to locate package |Package ')([a-z0-9.+-]+)/.exec(done.err)?.[1];
    if (unknown !== undefined) throw unknownPackage(unknown);
    const reason = `${done.out}\n${done.err}`
      .split('\n')
      .filter((line) => /^ .* : |^E: /.test(line))
      .join('; ');
    throw new ManifestError(
      'package-conflict',
      `Cannot lock ${names.map((name) => `"${name}"`).join(', ')} for ${platform}: ${reason || `apt-get ended with ${done.status}`}`,
    );
  }
  const bases = await archives(apt, signal);
  const resolved = done.out
    .split('\n')
    .filter((line) => line.startsWith("'"))
    .map((line) => lockedOf(line, bases, apt.origins))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  // apt also takes names as patterns, or the only provider of a virtual package: what was asked for must be there by its name.
  const missing = names.find((name) => !resolved.some((one) => one.name === name));
  if (missing !== undefined) throw unknownPackage(missing);
  return resolved;
}

/** `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE SHA256:HEX`, with percent-encoding in the first two. */
function lockedOf(line: string, bases: readonly string[], origins: Map<string, string>): LockedPackage {
  const match = /^'([^']+)' (\S+)_(\S+)_(\S+)\.deb (\d+) SHA256:([0-9a-f]{64})$/.exec(line.trim());
  const [, uri = '', name = '', version = '', architecture = '', size = '', sha256 = ''] = match ?? [];
  const base = bases.find((one) => uri.startsWith(one));
  if (!match || base === undefined) {
    throw new ManifestError(
      'package-conflict',
      `Cannot lock a package: apt answers "${line}", which has no SHA-256 of a Debian archive`,
    );
  }
  origins.set(sha256, base);
  return lockedPackageSchema.parse({
    name,
    version: decodeURIComponent(version),
    architecture,
    sha256,
    size_bytes: Number(size),
    pool_path: decodeURIComponent(uri.slice(base.length)),
  });
}

/** The addresses of the archives that apt has lists of, longest first, each with a slash at its end. */
async function archives(apt: Apt, signal: AbortSignal): Promise<readonly string[]> {
  apt.bases ??= askArchives(apt, signal);
  apt.bases.catch(() => {
    apt.bases = undefined;
  });
  return await apt.bases;
}

async function askArchives(apt: Apt, signal: AbortSignal): Promise<readonly string[]> {
  const done = await apt.run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'], signal);
  const bases = done.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.endsWith('/') ? line : `${line}/`));
  return [...new Set(bases)].sort((left, right) => right.length - left.length || (left < right ? -1 : 1));
}

interface Wait {
  readonly locked: LockedPackage;
  readonly file: string;
  readonly signal: AbortSignal;
  readonly settle: PromiseWithResolvers<AsyncIterable<Uint8Array>>;
}

/** What is asked for at one time is one run of apt's downloader: one connection, and names are looked up once. */
class Downloads {
  readonly #apt: Apt;
  #waiting: Wait[] = [];
  #running: Promise<void> | undefined;

  constructor(apt: Apt) {
    this.#apt = apt;
  }

  fetch(locked: LockedPackage, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const file = path.join(this.#apt.folder, 'download', `${randomUUID()}.deb`);
    const settle = Promise.withResolvers<AsyncIterable<Uint8Array>>();
    this.#waiting.push({ locked, file, signal, settle });
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return settle.promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Those who ask in the same turn come along.
      await setImmediate();
      const batch = this.#waiting.splice(0, maxBatch);
      try {
        await downloadAll(this.#apt, batch);
      } catch (error) {
        for (const { settle, signal } of batch) settle.reject(signal.aborted ? signal.reason : error);
        await Promise.all(batch.map(({ file }) => rm(file, { force: true })));
      }
    }
  }
}

/** Archive by archive: a file may be in any, also after the lists stopped naming it. */
async function downloadAll(apt: Apt, batch: readonly Wait[]): Promise<void> {
  // Given up only when nobody of the batch waits any more.
  const gone = new AbortController();
  const check = (): void => {
    if (batch.every(({ signal }) => signal.aborted)) gone.abort(batch[0]?.signal.reason);
  };
  using listeners = new DisposableStack();
  for (const { signal } of batch) {
    signal.addEventListener('abort', check);
    listeners.defer(() => signal.removeEventListener('abort', check));
  }
  check();
  let left = batch;
  const faults: string[] = [];
  for (const base of await archives(apt, gone.signal)) {
    const here = left.filter(({ locked }) => (apt.origins.get(locked.sha256) ?? base) === base);
    if (here.length === 0) continue;
    const args = here.flatMap(({ locked, file }) => [`${base}${encodePath(locked.pool_path)}`, file]);
    const done = await apt.run(helper, ['download-file', ...args], gone.signal);
    if (done.status !== 0) faults.push(`${done.out}\n${done.err}`);
    const still: Wait[] = left.filter((wait) => !here.includes(wait));
    for (const wait of here) {
      if (await isWhole(wait)) wait.settle.resolve(readOnce(wait.file));
      else {
        await rm(wait.file, { force: true });
        still.push(wait);
      }
    }
    left = still;
  }
  const cause = new Error(faults.join('\n').slice(0, 2000));
  for (const { locked, settle } of left) settle.reject(faultOf(locked, faults, cause));
}

/** What apt's words mean: a full disk and a mirror that is away aren't mended by another lock. */
function faultOf(locked: LockedPackage, faults: readonly string[], cause: unknown): ManifestError {
  if (faults.some((fault) => /No space left on device|Disk quota exceeded/.test(fault)))
    return new ManifestError(
      'no-space',
      `Cannot fetch "${locked.name}" ${locked.version}: the disk is full; free some space and retry`,
      { cause, mayRetry: true },
    );
  const noMirror = faults.some((fault) => /Could not (resolve|connect)|Temporary failure|timed out/i.test(fault));
  return noMirror ? unreachable(locked, cause) : unavailablePackage(locked, cause);
}

function unreachable(locked: LockedPackage, cause: unknown): ManifestError {
  return new ManifestError(
    'mirror-unreachable',
    `Cannot fetch "${locked.name}" ${locked.version}: no mirror answers; check the network`,
    { cause, mayRetry: true },
  );
}

/** apt leaves what it got of a download that failed. */
async function isWhole({ file, locked }: Wait): Promise<boolean> {
  return await stat(file).then(
    (found) => found.isFile() && found.size === locked.size_bytes,
    () => false,
  );
}

function encodePath(poolPath: string): string {
  return poolPath
    .split('/')
    .map((part) => encodeURIComponent(part))
    .join('/');
}

async function* readOnce(file: string): AsyncIterable<Uint8Array> {
  try {
    yield* createReadStream(file);
  } finally {
    await rm(file, { force: true });
  }
}

function machineArchitecture(): string {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

async function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Output> {
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...environment };
  try {
    const { stdout, stderr } = await execFileAsync(program, [...args], { env, signal, maxBuffer: maxOutputBytes });
    return { status: 0, out: stdout, err: stderr };
  } catch (error) {
    signal.throwIfAborted();
    const fault = error as { code?: number | string; stdout?: string; stderr?: string };
    if (fault.code === 'ENOENT') {
      throw new ManifestError(
        'no-apt',
        `Cannot reach Debian packages: this machine has no "${path.basename(program)}"; name a mirror ("hermesh manifest lock FILE --mirror …", "hermesh up --mirror …"), or use a machine with Debian's apt`,
        { cause: error },
      );
    }
    if (typeof fault.code !== 'number') throw error;
    return { status: fault.code, out: fault.stdout ?? '', err: fault.stderr ?? '' };
  }
}
