// A small manifest with packages, applications and files, made the same each time; as a program, it builds it and prints its progress.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type BuildRequest, buildImages, lockManifest, openBlobStore, parseManifest } from '#manifests';
import { makeMemoryPackageSource } from '#manifests/debian';

/** All of a request but where it is kept and who waits; the sources are written to `directory`. */
export async function makeShopLike(
  directory: string,
  { padBytes = 10 }: { readonly padBytes?: number } = {},
): Promise<Omit<BuildRequest, 'blobs' | 'signal' | 'report'>> {
  const bytes = Buffer.alloc(padBytes, 'pad');
  const packages = await makeMemoryPackageSource(
    ['tool', 'base', 'more'].map((name, index) => ({
      name,
      version: '1',
      depends: index === 0 ? ['base', 'more'] : [],
      compression: 'none' as const,
      entries: [
        {
          path: `usr/lib/${name}`,
          type: 'file' as const,
          size: bytes.length,
          content: async function* () {
            yield bytes;
          },
          mode: 0o644,
          uid: 0,
          gid: 0,
        },
      ],
    })),
  );
  await writeFile(path.join(directory, 'app.txt'), 'application');
  await writeFile(path.join(directory, 'conf'), 'file');
  const manifest = parseManifest(
    JSON.stringify({
      manifest_version: '1.0',
      project: { name: 'p' },
      applications: { app: { source: { path: '.', include: ['*.txt'] } } },
      containers: {
        web: { debian: ['tool'], applications: { app: { destination: '/srv' } } },
        store: {
          debian: ['base'],
          files: [{ source: 'conf', destination: '/etc/conf' }],
          directories: [{ path: '/d' }],
        },
      },
    }),
    { file: 'manifest.json' },
  );
  const { signal } = new AbortController();
  const lock = await lockManifest(manifest, packages, { signal, report: () => {} });
  return { manifest, lock, directory, packages, useCache: true };
}

if (process.argv[1] === import.meta.filename) {
  const [, , source = '', store = ''] = process.argv;
  const report = ({ message }: { message: string }): void => void process.stdout.write(`${message}\n`);
  const { signal } = new AbortController();
  await buildImages({ ...(await makeShopLike(source)), blobs: await openBlobStore(store), report, signal });
}
