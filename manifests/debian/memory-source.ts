// An archive of Debian packages in memory, which makes real .deb files: the twin of apt for tests and trials.
import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { ManifestError } from '../error.ts';
import { didYouMean } from '../near.ts';
import { type TarEntry, writeTar } from '../tar.ts';
import type { Compression } from './decompress.ts';
import { architectureOf, type LockedPackage, type PackageSource } from './package-source.ts';

/** A package to be made: what it needs, and what it puts where. */
export interface MemoryPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture?: 'amd64' | 'arm64' | 'all';
  readonly depends?: readonly string[];
  readonly entries: readonly TarEntry[];
  /** `xz` unless told, as Debian does. */
  readonly compression?: Compression;
}

/** A source of these packages. */
export async function makeMemoryPackageSource(packages: readonly MemoryPackage[]): Promise<PackageSource> {
  const made = new Map<string, { locked: LockedPackage; deb: Uint8Array; depends: readonly string[] }>();
  for (const one of packages) {
    const deb = await makeDeb(one);
    const { name, version, architecture = 'all', depends = [] } = one;
    const sha256 = createHash('sha256').update(deb).digest('hex');
    const pool_path = `pool/main/${name[0]}/${name}/${name}_${version}_${architecture}.deb`;
    made.set(name, {
      locked: { name, version, architecture, sha256, size_bytes: deb.length, pool_path },
      deb,
      depends,
    });
  }
  return {
    async resolve(names, platform, { signal }) {
      signal.throwIfAborted();
      const found = new Map<string, LockedPackage>();
      const add = (name: string): void => {
        const one = made.get(name);
        const fits = one && ['all', architectureOf(platform)].includes(one.locked.architecture);
        if (!one || !fits) throw unknownPackage(name, made.keys());
        if (found.has(name)) return;
        found.set(name, one.locked);
        for (const other of one.depends) add(other);
      };
      for (const name of names) add(name);
      return [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
    },
    async fetch(locked, { signal }) {
      signal.throwIfAborted();
      const one = made.get(locked.name);
      if (one?.locked.pool_path !== locked.pool_path) throw unavailablePackage(locked);
      return (async function* () {
        yield one.deb;
      })();
    },
  };
}

/** The bytes of a .deb with these entries. */
export async function makeDeb(one: Omit<MemoryPackage, 'depends'>): Promise<Uint8Array> {
  const { name, version, architecture = 'all', compression = 'xz' } = one;
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nMaintainer: nobody\nDescription: made in memory\n`;
  const controlTar = await concat(
    writeTar([{ path: 'control', type: 'file', ...fileOf(Buffer.from(control)), mode: 0o644, uid: 0, gid: 0 }]),
  );
  const dataTar = await concat(writeTar(one.entries));
  const ending = compression === 'none' ? '' : `.${compression}`;
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    member('debian-binary', Buffer.from('2.0\n')),
    member('control.tar.gz', gzipSync(controlTar)),
    member(`data.tar${ending}`, await compress(dataTar, compression)),
  ]);
}

/** The error for a name that no archive of the source knows. */
export function unknownPackage(name: string, known: Iterable<string> = []): ManifestError {
  const mend = didYouMean(name, known) ?? 'check its name, and that the archive that has it is among the sources';
  return new ManifestError('package-unknown', `Cannot lock package "${name}": no source knows it; ${mend}`);
}

/** The error for an exact version that no mirror holds any more. */
export function unavailablePackage(locked: LockedPackage, cause?: unknown): ManifestError {
  const what = `"${locked.name}" ${locked.version}`;
  const mend = 'run "hermesh manifest lock FILE --refresh"';
  return new ManifestError(
    'package-unavailable',
    `Cannot fetch ${what}: no mirror holds this version any more; ${mend}`,
    {
      cause,
    },
  );
}

function fileOf(content: Uint8Array): { size: number; content: () => AsyncIterable<Uint8Array> } {
  return {
    size: content.length,
    content: async function* () {
      yield content;
    },
  };
}

async function compress(content: Uint8Array, compression: Compression): Promise<Uint8Array> {
  if (compression === 'gz') return gzipSync(content);
  if (compression === 'zst') return zstdCompressSync(content);
  if (compression === 'none') return content;
  const { xzAsync } = await import('node-liblzma/wasm');
  return await xzAsync(content, { preset: 0 });
}

function member(name: string, body: Uint8Array): Buffer {
  const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(body.length).padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(header), body, Buffer.from(body.length % 2 === 0 ? '' : '\n')]);
}

async function concat(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}
