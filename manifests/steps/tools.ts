// The package managers that a step of an exact Node gets: one version of each, by its integrity, since Node's own package has none.
import { decompress, readTar } from '#manifests/debian';
import { type BlobStore, writeAll } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { readRange } from '../layers.ts';
import { readLayerNote, writeLayerNote } from '../notes.ts';
import type { BuildStepRun } from '../step-results.ts';
import { type TarEntry, writeTar } from '../tar.ts';
import type { Artifact, ArtifactSource } from './artifact.ts';
import { fetchArtifacts } from './fetch.ts';

interface Tool {
  readonly version: string;
  /** As npm writes it. */
  readonly integrity: string;
  /** By command: the file in its package. */
  readonly commands: Readonly<Record<string, string>>;
}

/** Changing one changes what steps give: that is a change of the format, and says so. */
const tools = {
  npm: {
    version: '11.21.2',
    integrity: 'sha512-7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq9A==',
    commands: { npm: 'bin/npm-cli.js', npx: 'bin/npx-cli.js' },
  },
  pnpm: {
    version: '10.20.0',
    integrity: 'sha512-z5mYIiFi3YWGTQqBAueJLnukzq3rv1ox+cL85I384xepxTufZGTR75BCy6LgKuAqn3wUOitDjNk8kYQPAZK53Q==',
    commands: { pnpm: 'bin/pnpm.cjs', pnpx: 'bin/pnpx.cjs' },
  },
  yarn: {
    version: '1.22.22',
    integrity: 'sha512-prL3kGtyG7o9Z9Sv8IPfBNrWTDmXB4Qbes8A9rEzt6wkJV8mUvoirjU0Mp3GGAU06Y0XQyA3/2/RQFVuK7MTfg==',
    commands: { yarn: 'bin/yarn.js', yarnpkg: 'bin/yarn.js' },
  },
} as const satisfies Record<string, Tool>;

const maxUnpackedBytes = 256 * 1024 ** 2;
const home = 'usr/local/lib/node_modules';
const owner = { uid: 0, gid: 0 };

/** What a step of an exact Node finds beside it; undefined for one without. npm is always there, as with Node itself. */
export async function toolLayer(
  run: Pick<BuildStepRun, 'node' | 'step'>,
  work: {
    readonly blobs: BlobStore;
    readonly artifacts: ArtifactSource;
    readonly signal: AbortSignal;
    readonly useCache: boolean;
    readonly report: (progress: { readonly message: string }) => void;
    readonly epochSeconds: number;
  },
): Promise<Digest | undefined> {
  if (run.node === undefined) return undefined;
  const names = ['npm', ...(['pnpm', 'yarn'] as const).filter((name) => run.step.caches.includes(name))] as const;
  const { blobs, signal, epochSeconds } = work;
  const inputs = { tools: names.map((name) => tools[name].integrity), epochSeconds };
  const known = work.useCache ? await readLayerNote(blobs, 'tools', inputs) : undefined;
  if (known) return known.layer.digest;
  const fetched = await fetchArtifacts(names.map(artifactOf), work);
  await using scratch = await blobs.scratch();
  const entries: TarEntry[] = [];
  let offset = 0;
  for (const { artifact, blob } of fetched) {
    const name = artifact.name as keyof typeof tools;
    const unpacked = decompress(blobs.read(blob.digest), 'gz', { maxBytes: maxUnpackedBytes });
    for await (const { path, type, size, mode, content } of readTar(unpacked)) {
      if (type !== 'file') continue;
      const start = offset;
      offset += size;
      for await (const chunk of content) await writeAll(scratch.handle, chunk);
      entries.push({
        path: `${home}/${name}/${path.slice(path.indexOf('/') + 1)}`,
        type: 'file',
        mode: (mode & 0o111) === 0 ? 0o644 : 0o755,
        size,
        content: () => readRange(scratch.handle, start, size),
        ...owner,
      });
    }
    for (const [command, file] of Object.entries(tools[name].commands))
      entries.push({
        path: `usr/local/bin/${command}`,
        type: 'symlink',
        target: `../lib/node_modules/${name}/${file}`,
        mode: 0o777,
        ...owner,
      });
  }
  const layer = await blobs.write(writeTar(executable(entries), { epochSeconds }), {
    maxBytes: maxUnpackedBytes * 2,
    signal,
  });
  await writeLayerNote(blobs, 'tools', inputs, { layer, nodes: {} });
  return layer.digest;
}

function artifactOf(name: keyof typeof tools): Artifact {
  const { version, integrity } = tools[name];
  const hex = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
  return {
    ecosystem: 'npm',
    name,
    version,
    file: `${name}-${version}.tgz`,
    url: undefined,
    hashes: [{ algorithm: 'sha512', hex }],
  };
}

/** Archives of npm don't always have the mode of what is run. */
function executable(entries: readonly TarEntry[]): TarEntry[] {
  const files = new Set<string>(
    Object.entries(tools).flatMap(([name, { commands }]) =>
      Object.values(commands).map((file) => `${home}/${name}/${file}`),
    ),
  );
  return entries.map((entry) => (files.has(entry.path) ? { ...entry, mode: 0o755 } : entry));
}
