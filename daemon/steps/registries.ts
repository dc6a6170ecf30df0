// Where artifacts are fetched from: each ecosystem's registry, as this machine has it configured, by HTTPS, retried, never trusted.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ManifestError } from '#manifests';
import { type NodeSource, nodePackageOf } from '#manifests/runtimes';
import type { Artifact, ArtifactSource, Ecosystem } from '#manifests/steps';

/** A registry that says nothing in this time is asked again. */
const answerTimeoutMs = 60_000;
const tries = 4;
const firstPauseMs = 500;
const maxJsonBytes = 64 * 1024 ** 2;
/** Statuses of a registry that has too much to do. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Addresses without a slash at the end. */
export type Registries = Readonly<Partial<Record<Ecosystem, string>>>;

/** What each ecosystem's own tools use unless told otherwise. */
const publicRegistries = {
  pypi: 'https://files.pythonhosted.org',
  crates: 'https://static.crates.io/crates',
  go: 'https://proxy.golang.org',
  packagist: 'https://api.github.com',
  rubygems: 'https://rubygems.org',
  maven: 'https://repo.maven.apache.org/maven2',
} as const satisfies Record<Exclude<Ecosystem, 'npm'>, string>;

/** Locks name npm's artifacts by these whatever registry they came from: they mean "the registry". */
const namesOfNpm = /^https?:\/\/registry\.(?:npmjs\.org|yarnpkg\.com)\//;

/** The registries of this machine; `registries` has those that were configured. npm's own configuration is asked for when it is needed. */
export function openRegistries(registries: Registries = {}): {
  readonly artifacts: ArtifactSource;
  readonly nodes: NodeSource;
} {
  let npm: Promise<string> | undefined;
  const addressOf = async (ecosystem: Ecosystem): Promise<string> => {
    const own = registries[ecosystem];
    if (own !== undefined) return own;
    if (ecosystem !== 'npm') return publicRegistries[ecosystem];
    npm ??= configuredNpm();
    npm.catch(() => {
      npm = undefined;
    });
    return await npm;
  };
  const artifacts: ArtifactSource = {
    async fetch(artifact, { signal }) {
      const url = urlOf(artifact, await addressOf(artifact.ecosystem));
      return await get(url, `"${artifact.name}" ${artifact.version}`, 'artifact-unavailable', signal);
    },
  };
  const nodes: NodeSource = {
    async resolve(version, platform, { signal }) {
      const name = nodePackageOf(platform);
      const url = `${await addressOf('npm')}/${name}/${version}`;
      const body = await get(url, `Node ${version}`, 'package-unknown', signal);
      const found = JSON.parse(await textOf(body)) as { dist?: { integrity?: string } };
      const integrity = found.dist?.integrity;
      if (integrity === undefined)
        throw new ManifestError(
          'package-unknown',
          `Cannot lock Node ${version}: its registry says no integrity of "${name}"`,
        );
      return { integrity };
    },
    async fetch(version, platform, options) {
      const name = nodePackageOf(platform);
      const file = `${name}-${version}.tgz`;
      return await artifacts.fetch({ ecosystem: 'npm', name, version, file, url: undefined, hashes: [] }, options);
    },
  };
  return { artifacts, nodes };
}

function urlOf({ ecosystem, name, version, file, url }: Artifact, registry: string): string {
  if (url !== undefined && !namesOfNpm.test(url)) return url;
  if (ecosystem === 'npm') return `${registry}/${name}/-/${file}`;
  if (ecosystem === 'crates') return `${registry}/${name}/${name}-${version}.crate`;
  if (ecosystem === 'rubygems') return `${registry}/gems/${file}`;
  return `${registry}/${file}`;
}

/** The body of an answer. A fault that may pass is asked again, with growing pauses. */
async function get(
  url: string,
  what: string,
  missing: 'artifact-unavailable' | 'package-unknown',
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  for (let attempt = 1; ; attempt += 1) {
    const limit = AbortSignal.timeout(answerTimeoutMs);
    try {
      // The time is for the answer to begin; its length is bounded by whoever reads it.
      const answering = new AbortController();
      const stop = (): void => answering.abort(limit.reason);
      limit.addEventListener('abort', stop);
      const response = await fetch(url, { signal: AbortSignal.any([signal, answering.signal]) });
      limit.removeEventListener('abort', stop);
      if (response.ok && response.body) return response.body;
      await response.body?.cancel();
      if (!passing.has(response.status))
        throw new ManifestError(missing, `Cannot fetch ${what}: ${hostOf(url)} answers ${response.status}`);
      throw new Error(`it answers ${response.status}`);
    } catch (error) {
      if (error instanceof ManifestError) throw error;
      signal.throwIfAborted();
      if (attempt === tries)
        throw new ManifestError(
          'mirror-unreachable',
          `Cannot fetch ${what}: ${hostOf(url)} can't be reached; check the network`,
          {
            cause: error,
            mayRetry: true,
          },
        );
    }
    await sleep(firstPauseMs * 2 ** (attempt - 1), undefined, { signal });
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxJsonBytes)
      throw new ManifestError('too-large', `Cannot read an answer of more than ${maxJsonBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What npm on this machine uses, where there is one. */
async function configuredNpm(): Promise<string> {
  const asked = promisify(execFile)('npm', ['config', 'get', 'registry']);
  const url = await asked.then(
    ({ stdout }) => stdout.trim().replace(/\/+$/, ''),
    () => '',
  );
  if (/^https?:\/\//.test(url)) return url;
  throw new ManifestError(
    'mirror-unreachable',
    'Cannot tell which registry npm uses here: "npm config get registry" says none; install npm, or configure its registry',
  );
}

/** Addresses may have passwords in them. */
function hostOf(url: string): string {
  return URL.parse(url)?.host ?? 'its registry';
}
