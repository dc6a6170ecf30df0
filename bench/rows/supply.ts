// What bill of materials, provenance and signatures add to a build of 5,000 files: the same build with and without, in turns.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildImages, type Manifest, manifestDigest, openBlobStore, parseManifest } from '#manifests';
import { makeMemoryPackageSource } from '#manifests/debian';
import { attestImage } from '#manifests/supply';
import type { Row } from '../row.ts';

const files = 5_000;
const fileBytes = 21_000;
/** As many as a usual project of Node locks. */
const lockedPackages = 500;
const signal = new AbortController().signal;

export const supplyRow: Row = {
  name: 'supply',
  claim: 'what attesting adds to a cold build of 5,000 files and 105 MB',
  unit: 'ms',
  figure: 'median',
  limit: 150,
  async measure(rounds, say) {
    const folder = await mkdtemp(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hermesh-bench-'));
    try {
      const manifest = await makeProject(folder);
      const samples: number[] = [];
      // The first round loads the code; it isn't counted.
      for (let round = 0; round <= rounds; round += 1) {
        const order = round % 2 === 0 ? [false, true] : [true, false];
        const took = new Map<boolean, number>();
        for (const isAttested of order) took.set(isAttested, await timeBuild(folder, manifest, isAttested));
        const added = (took.get(true) ?? 0) - (took.get(false) ?? 0);
        say(`supply: ${Math.round(took.get(false) ?? 0)} ms without, ${Math.round(took.get(true) ?? 0)} ms with`);
        if (round > 0) samples.push(added);
      }
      return { samples };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

const { privateKey } = generateKeyPairSync('ed25519');
const key = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
const signer = { stack: 'bench', sign: (message: Uint8Array) => new Uint8Array(sign(null, message, key)) };

async function timeBuild(folder: string, manifest: Manifest, isAttested: boolean): Promise<number> {
  const store = path.join(folder, 'store');
  const blobs = await openBlobStore(store);
  try {
    const started = performance.now();
    await buildImages({
      manifest,
      lock: undefined,
      directory: path.join(folder, 'project'),
      blobs,
      packages: await makeMemoryPackageSource([]),
      report: () => undefined,
      signal,
      useCache: true,
      ...(isAttested && {
        attest: async (planned, image) => {
          const work = { manifest, manifestDigest: manifestDigest(manifest), blobs, signer, signal };
          await attestImage(planned, image, work);
        },
      }),
    });
    return performance.now() - started;
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

async function makeProject(folder: string): Promise<Manifest> {
  const source = path.join(folder, 'project/app');
  for (let index = 0; index < files; index += 1) {
    const place = path.join(source, `part-${index % 50}`);
    if (index < 50) await mkdir(place, { recursive: true });
    await writeFile(path.join(place, `file-${index}.js`), randomBytes(fileBytes));
  }
  const packages = Array.from({ length: lockedPackages }, (_, index): [string, object] => [
    `node_modules/package-${index}`,
    { version: `1.${index}.0`, integrity: `sha512-${randomBytes(64).toString('base64')}`, license: 'MIT' },
  ]);
  const lock = { name: 'app', lockfileVersion: 3, packages: { '': { name: 'app' }, ...Object.fromEntries(packages) } };
  await writeFile(path.join(source, 'package-lock.json'), JSON.stringify(lock));
  const text = JSON.stringify({
    manifest_version: '1.0',
    project: { name: 'bench' },
    applications: { app: { source: { path: 'app' } } },
    containers: { web: { applications: { app: { destination: '/srv' } } } },
  });
  return parseManifest(text, { file: 'manifest.json' });
}
