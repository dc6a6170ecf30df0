// The fetch phase of a step: what its lock files name, checked, as one read-only tree a kind in the form that the kind's tools read offline.
import type { LockfileKind } from '#manifests/schema';
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { readContent } from '../file-content.ts';
import { maxLayerBytes } from '../layers.ts';
import { readLayerNote, writeLayerNote } from '../notes.ts';
import type { BuildStepRun } from '../step-results.ts';
import { type TarEntry, writeTar } from '../tar.ts';
import type { LockText } from './artifact.ts';
import { type FetchWork, fetchArtifacts } from './fetch.ts';
import { lockReaders } from './lock-readers.ts';
import type { StepMount } from './step-runner.ts';

/** A lock of 5,000 packages has about 3 MB. */
const maxLockBytes = 32 * 1024 ** 2;
const maxArtifacts = 20_000;

export interface CacheWork extends FetchWork {
  readonly blobs: BlobStore;
  readonly useCache: boolean;
  readonly epochSeconds: number;
  /** The step's place in the manifest. */
  readonly place: string;
}

/** The mounts of /cache, and the lines that make its tools find them. Throws `lock-mismatch` with the place where a lock can't be trusted, else as `fetchArtifacts`. */
export async function cacheLayer(
  run: BuildStepRun,
  work: CacheWork,
): Promise<{ readonly mounts: readonly StepMount[]; readonly prepare: readonly string[] }> {
  const mounts: StepMount[] = [];
  const prepare: string[] = [];
  const texts = await textsOf(run);
  for (const kind of [...run.step.caches].sort()) {
    const locks = run.lockfiles.filter((one) => one.kind === kind);
    if (locks.length === 0)
      throw new ManifestError(
        'lock-mismatch',
        `Cannot fetch for step "${run.step.name}" (${work.place}): its "caches" name "${kind}", and "lockfiles" of the application hold none of that kind; add it there`,
      );
    const reader = lockReaders[kind as LockfileKind];
    if (reader === undefined)
      throw new ManifestError(
        'lock-mismatch',
        `Cannot fetch for step "${run.step.name}" (${work.place}): locks of the kind "${kind}" can't be fetched; vendor what it names into the source`,
      );
    const read = await Promise.all(locks.map(async ({ file }) => lockText(kind as LockfileKind, file.path, texts)));
    const inputs = {
      kind,
      locks: locks.map(({ file }) => file.sha256),
      platform: run.platform,
      epochSeconds: work.epochSeconds,
    };
    // What is in the store was checked when it came; the lock itself is checked each time.
    const artifacts = read.flatMap((lock) => reader.read(lock, run.platform));
    if (artifacts.length > maxArtifacts)
      throw new ManifestError('too-large', `Cannot fetch ${artifacts.length} artifacts, at most ${maxArtifacts}`);
    const known = work.useCache ? await readLayerNote(work.blobs, 'cache', inputs) : undefined;
    let layer = known?.layer.digest;
    if (layer === undefined) {
      work.report({ message: `fetching ${artifacts.length} artifacts of "${kind}"` });
      const unique = [...new Map(artifacts.map((one) => [one.place, one])).values()];
      const fetched = await fetchArtifacts(unique, work);
      await using scratch = await work.blobs.scratch();
      const entries = await reader.arrange(
        fetched.map(({ artifact, blob }) => ({ ...artifact, blob, content: () => work.blobs.read(blob.digest) })),
        scratch,
      );
      layer = await write(entries, work);
      await writeLayerNote(work.blobs, 'cache', inputs, {
        layer: { digest: layer, sizeBytes: (await work.blobs.size(layer)) ?? 0 },
        nodes: {},
      });
    }
    mounts.push({ path: `/cache/${kind}`, layer });
    prepare.push(...(reader.prepare ?? []));
    if (reader.settings) mounts.push({ path: reader.settings.path, layer: await write(reader.settings.entries, work) });
  }
  return { mounts, prepare };
}

async function write(entries: readonly TarEntry[], work: CacheWork): Promise<Digest> {
  const tar = writeTar(entries, { epochSeconds: work.epochSeconds });
  return (await work.blobs.write(tar, { maxBytes: maxLayerBytes, signal: work.signal })).digest;
}

/** Small files of the source by their path: locks, and what they are compared with. */
async function textsOf(run: BuildStepRun): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const compared =
    /(?:^|\/)(?:package\.json|pyproject\.toml|Cargo\.toml|go\.mod|composer\.json|Gemfile|Pipfile|pom\.xml)$/;
  const locks = new Set(run.lockfiles.map(({ file }) => file.path));
  const files = [
    ...run.source.entries.filter((entry) => entry.type === 'file'),
    ...run.lockfiles.map(({ file }) => file),
  ];
  for (const { path, size, file, sha256 } of files) {
    if (!locks.has(path) && !compared.test(path)) continue;
    if (size > maxLockBytes)
      throw new ManifestError('too-large', `Cannot read "${path}": it has ${size} bytes, at most ${maxLockBytes}`);
    texts.set(path, Buffer.concat(await Array.fromAsync(readContent(file, sha256))).toString('utf8'));
  }
  return texts;
}

function lockText(kind: LockfileKind, path: string, texts: ReadonlyMap<string, string>): LockText {
  const text = texts.get(path) ?? '';
  const refuse: LockText['refuse'] = (where, state, mend) => {
    throw new ManifestError('lock-mismatch', `Cannot use lock file "${path}": ${where}: ${state}; ${mend}`, {
      problems: [{ pointer: where, line: undefined, message: `${path}: ${state}`, mend }],
    });
  };
  const lines = text.split('\n');
  const crlf = lines.findIndex((line) => line.endsWith('\r'));
  if (crlf >= 0)
    refuse(
      `line ${crlf + 1}`,
      'it ends with CR and LF, so a checkout changed it',
      `write "${path} text eol=lf" into .gitattributes and check it out again`,
    );
  return { kind, path, text, read: (other) => texts.get(other), refuse };
}
