// From a manifest on disk to images in this stack's store, with the records that tell the mesh of them.
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { StepRunning } from '#daemon/steps';
import type { BlobStore, Build, Digest, ImageNote, Lock, Manifest, PlannedImage } from '#manifests';
import { buildImages, canonicalJson, isDigest, manifestDigest, parseLock, parseManifest } from '#manifests';
import type { BaseSource } from '#manifests/bases';
import type { PackageSource } from '#manifests/debian';
import { makeBaseSource } from '../bases.ts';
import { DaemonError } from '../errors.ts';

/** What long work needs beside its input. */
export interface Work {
  readonly report: (progress: { readonly message: string; readonly fraction?: number }) => void;
  readonly signal: AbortSignal;
}

export interface LoadedManifest {
  readonly file: string;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly digest: Digest;
}

export interface BuiltManifest extends LoadedManifest {
  readonly lock: Lock | undefined;
  readonly build: Build;
}

export interface BuildOptions {
  readonly useCache: boolean;
  /** Runs each step twice, with nothing remembered, and refuses those that differ. */
  readonly check?: boolean;
}

export interface Images {
  readonly blobs: BlobStore;
  build(file: string, options: BuildOptions, work: Work): Promise<BuiltManifest>;
  /** Builds once more into another store, with nothing of what is known here. */
  rebuild(file: string, into: BlobStore, work: Work): Promise<Build>;
  /** A manifest that was built here before, by its digest. */
  manifest(digest: string): Promise<Manifest | undefined>;
}

/** More than a lock may have; what is larger is read no further. */
const maxFileBytes = 64 * 1024 * 1024;

/** As large as a manifest may be, with its defaults written out. */
const maxManifestBytes = 2 * 1024 * 1024;

/** Reads and checks a manifest; throws ManifestError with every problem in it. */
export async function loadManifest(file: string): Promise<LoadedManifest> {
  const manifest = parseManifest(await readText(file, 'write one, or name another file'), { file });
  return { file, directory: path.dirname(file), manifest, digest: manifestDigest(manifest) };
}

/** `manifest.lock.json` beside `manifest.json`; another manifest's lock bears its name. */
export function lockFileOf(manifestFile: string): string {
  return `${manifestFile.replace(/\.json$/, '')}.lock.json`;
}

/** Undefined where there is none, which is enough for a manifest without Debian packages. */
async function loadLock(manifestFile: string): Promise<Lock | undefined> {
  const file = lockFileOf(manifestFile);
  return existsSync(file) ? parseLock(await readText(file, 'let this user read it'), { file }) : undefined;
}

/** What is said of each image that is in the store, by the stack that built it. */
export type Attest = (
  planned: PlannedImage,
  image: ImageNote,
  of: {
    readonly manifest: Manifest;
    readonly manifestDigest: Digest;
    readonly blobs: BlobStore;
    readonly signal: AbortSignal;
  },
) => Promise<void>;

export function openImages(
  blobs: BlobStore,
  packages: PackageSource,
  attest: Attest = async () => {},
  bases: BaseSource = makeBaseSource({}),
  running?: StepRunning,
): Images {
  return {
    blobs,
    async build(file, { useCache: mayUseCache, check = false }, { report, signal }) {
      const useCache = mayUseCache && !check;
      const loaded = await loadManifest(file);
      const lock = await loadLock(file);
      const of = { manifest: loaded.manifest, manifestDigest: loaded.digest, blobs, signal };
      const build = await buildImages({
        ...loaded,
        lock,
        blobs,
        packages,
        bases,
        report,
        signal,
        useCache,
        ...(running && { nodes: running.nodes, steps: running.steps(loaded.manifest, { check, blobs }) }),
        attest: (planned, image) => attest(planned, image, of),
      });
      const canonical = Buffer.from(canonicalJson(loaded.manifest));
      await blobs.write([canonical], { expected: loaded.digest, maxBytes: maxManifestBytes, signal });
      return { ...loaded, lock, build };
    },
    async rebuild(file, into, { report, signal }) {
      const loaded = await loadManifest(file);
      const lock = await loadLock(file);
      const request = { ...loaded, lock, blobs: into, packages, bases, report, signal, useCache: false };
      const options = { check: false, blobs: into };
      return await buildImages({
        ...request,
        ...(running && { nodes: running.nodes, steps: running.steps(loaded.manifest, options) }),
      });
    },
    async manifest(digest) {
      if (!isDigest(digest) || !(await blobs.has(digest))) return undefined;
      const bytes = await blobs.bytes(digest, { maxBytes: maxManifestBytes });
      return parseManifest(Buffer.from(bytes).toString('utf8'), { file: digest });
    },
  };
}

async function readText(file: string, mend: string): Promise<string> {
  try {
    const found = await stat(file);
    if (!found.isFile() || found.size > maxFileBytes) {
      const what = found.isFile() ? `it has ${found.size} bytes` : 'it is no file';
      throw new DaemonError('bad-input', `Cannot read "${file}": ${what}`, {
        mend: 'name a manifest.json',
      });
    }
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof DaemonError) throw cause;
    throw new DaemonError(
      'not-found',
      `Cannot read "${file}": ${(cause as NodeJS.ErrnoException).code ?? 'it cannot be opened'}`,
      {
        cause,
        mend,
      },
    );
  }
}
