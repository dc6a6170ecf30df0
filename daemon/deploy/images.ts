// From a manifest on disk to images in this stack's store, with the records that tell the mesh of them.
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { BlobStore, Build, Digest, Lock, Manifest } from '#manifests';
import { buildImages, canonicalJson, isDigest, manifestDigest, parseLock, parseManifest } from '#manifests';
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

export interface Images {
  readonly blobs: BlobStore;
  build(file: string, options: { readonly useCache: boolean }, work: Work): Promise<BuiltManifest>;
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

export function openImages(blobs: BlobStore, packages: PackageSource): Images {
  const bases = makeBaseSource({});
  return {
    blobs,
    async build(file, { useCache }, { report, signal }) {
      const loaded = await loadManifest(file);
      const lock = await loadLock(file);
      const build = await buildImages({ ...loaded, lock, blobs, packages, bases, report, signal, useCache });
      const canonical = Buffer.from(canonicalJson(loaded.manifest));
      await blobs.write([canonical], { expected: loaded.digest, maxBytes: maxManifestBytes, signal });
      return { ...loaded, lock, build };
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
