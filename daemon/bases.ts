// The machine as BaseSource: layouts read here, folders by GNU tar, registries and engines by whoever knows them.
import { spawn } from 'node:child_process';
import { type Engine, EngineError } from '#container-ci';
import { type BlobStore, ManifestError } from '#manifests';
import { type BaseSource, type OpenedTree, openArchive, openLayout } from '#manifests/bases';

/** Numeric owners, all mode bits, and the capabilities of files, which Node can't read; sockets are passed over. */
const tarOptions = [
  '--numeric-owner',
  '--format=posix',
  '--xattrs',
  '--xattrs-include=security.capability',
  '--sort=name',
];

/** `registry` opens what is named by a registry, `engine` what is named by an id; without them such bases are refused. */
export function makeBaseSource({
  registry,
  engine,
}: {
  readonly registry?: BaseSource;
  readonly engine?: BaseSource;
}): BaseSource {
  const need = (source: BaseSource | undefined, what: string): BaseSource => {
    if (source) return source;
    throw new ManifestError('base-unavailable', `Cannot use the base: ${what}`);
  };
  return {
    async resolve(reference, platform, options) {
      return await need(registry, `"${reference}" is a tag, and no registry is set up`).resolve(
        reference,
        platform,
        options,
      );
    },
    async open(base, platform, options) {
      if (base.kind === 'oci-layout') return await openLayout(base.path, base.digest, platform);
      if (base.kind === 'rootfs') return openFolder(base.path, options.signal);
      if (base.kind === 'registry')
        return await need(registry, `no registry is set up to fetch "${base.name}"`).open(base, platform, options);
      return await need(engine, `no engine is here to give image ${base.image}`).open(base, platform, options);
    },
  };
}

/** Images that an engine has, by their id: spooled beside the store's blobs while they are read. */
export function makeEngineBases(engine: Pick<Engine, 'saveImage'>, blobs: Pick<BlobStore, 'scratch'>): BaseSource {
  const unavailable = (what: string, cause?: unknown): ManifestError =>
    new ManifestError('base-unavailable', `Cannot use the base: ${what}`, { cause });
  return {
    async resolve(reference) {
      throw unavailable(`"${reference}" is a tag, which is asked of a registry`);
    },
    async open(base, _platform, { signal }) {
      if (base.kind !== 'engine') throw unavailable(`an engine has no ${base.kind}`);
      try {
        return await openArchive(engine.saveImage(base.image, { signal }), base.image, await blobs.scratch());
      } catch (cause) {
        if (!(cause instanceof EngineError)) throw cause;
        throw unavailable(cause.message, cause);
      }
    },
  };
}

/** Who isn't root reads what the user may read, and is refused where something is closed. */
function openFolder(folder: string, signal: AbortSignal): OpenedTree {
  return {
    kind: 'tree',
    async *read() {
      const child = spawn('tar', ['-c', ...tarOptions, '-C', folder, '.'], {
        stdio: ['ignore', 'pipe', 'pipe'],
        signal,
        env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-500);
      });
      const ended = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
      ended.catch(() => {});
      yield* child.stdout as AsyncIterable<Uint8Array>;
      const code = await ended;
      if (code !== 0)
        throw new ManifestError('base-unavailable', `Cannot read the base "${folder}": ${said.trim().split('\n')[0]}`);
    },
    async [Symbol.asyncDispose]() {},
  };
}
