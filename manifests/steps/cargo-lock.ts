// What Cargo.lock names, and the folder of vendored crates that cargo reads instead of the network.
import { parse } from 'smol-toml';
import { z } from 'zod';
import { decompress, readTar } from '#manifests/debian';
import { writeAll } from '../blobs.ts';
import { readRange } from '../layers.ts';
import type { TarEntry } from '../tar.ts';
import type { LockedArtifact } from './artifact.ts';
import { fileEntry, folderOf, type LockReader, parsedBy, textEntry } from './lock-reader.ts';

const lockSchema = z.object({
  package: z
    .array(
      z.object({
        name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
        version: z.string().regex(/^[0-9A-Za-z.+-]{1,100}$/),
        source: z.string().optional(),
        checksum: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional(),
      }),
    )
    .default([]),
});

/** crates.io takes none above 10 MiB packed. */
const maxCrateBytes = 1024 ** 3;
const again = 'run "cargo generate-lockfile"';
const settings = '[source.crates-io]\nreplace-with = "locked"\n\n[source.locked]\ndirectory = "/cache/cargo"\n';

export const cargoLocks: LockReader = {
  settings: { path: '/.cargo', entries: [textEntry('config.toml', settings)] },

  read(lock) {
    const { package: packages } = parsedBy(lock, parse, lockSchema, again);
    const project = lock.read(`${folderOf(lock.path)}Cargo.toml`);
    for (const name of project === undefined ? [] : namesIn(project))
      if (!packages.some((one) => one.name === name))
        lock.refuse(`package "${name}"`, `Cargo.toml asks for "${name}", and the lock does not hold it`, again);
    return packages.flatMap(({ name, version, source, checksum }): LockedArtifact[] => {
      // What has no source is of the project itself.
      if (source === undefined) return [];
      if (!source.startsWith('registry+') && !source.startsWith('sparse+'))
        lock.refuse(
          `package "${name}"`,
          `it comes from "${source}", which no hash fixes`,
          'take it from a registry, or vendor it',
        );
      if (checksum === undefined) return lock.refuse(`package "${name}"`, 'it has no checksum', again);
      const hashes = [{ algorithm: 'sha256', hex: checksum }] as const;
      const file = `${name}-${version}.crate`;
      return [{ ecosystem: 'crates', name, version, file, url: undefined, hashes, place: `${name}-${version}` }];
    });
  },

  async arrange(artifacts, scratch) {
    const entries: TarEntry[] = [];
    let offset = 0;
    for (const { place, content, hashes } of artifacts) {
      const unpacked = decompress(content(), 'gz', { maxBytes: maxCrateBytes });
      for await (const entry of readTar(unpacked)) {
        if (entry.type !== 'file') continue;
        const start = offset;
        const { size } = entry;
        offset += size;
        for await (const chunk of entry.content) await writeAll(scratch.handle, chunk);
        const path = `${place}/${entry.path.slice(entry.path.indexOf('/') + 1)}`;
        entries.push(fileEntry(path, size, () => readRange(scratch.handle, start, size)));
      }
      // The whole crate was checked: cargo needs no hash of each file.
      const sums = JSON.stringify({ files: {}, package: hashes[0]?.hex });
      entries.push(textEntry(`${place}/.cargo-checksum.json`, sums));
    }
    return entries;
  },
};

/** The crates that a Cargo.toml asks for by their own names; those of its paths and of its workspace are the project's. */
function namesIn(text: string): string[] {
  const names: string[] = [];
  let toml: Record<string, unknown>;
  try {
    toml = parse(text);
  } catch {
    return [];
  }
  for (const list of ['dependencies', 'dev-dependencies', 'build-dependencies']) {
    for (const [key, value] of Object.entries((toml[list] ?? {}) as Record<string, unknown>)) {
      const detail = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
      if (detail['path'] !== undefined || detail['workspace'] !== undefined) continue;
      names.push(typeof detail['package'] === 'string' ? detail['package'] : key);
    }
  }
  return names;
}
