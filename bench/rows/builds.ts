// The rows of builds: from a manifest, or a Dockerfile, to an image in the engine, against three other builders in the same rounds.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDockerEngine } from '#container-ci/docker';
import { openImages } from '#daemon/deploy';
import { type Digest, makeReadMemory, openBlobStore } from '#manifests';
import { answerDistribution, openRepositories, openUploads } from '#manifests/distribution';
import { makeBaseSource, makeEngineBases } from '../../daemon/bases.ts';
import { startDaemon } from '../../test/support/daemon-process.ts';
import { startPrivateEngine } from '../../test/support/private-engine.ts';
import { loadSmallImage, makeSmallImage } from '../../test/support/small-image.ts';
import { type Builder, dockerBuilders, hasBuildah, openBuildah } from '../peers/builders.ts';
import { writeSources } from '../peers/sources.ts';
import { type Measured, quantile, type Row } from '../row.ts';

const large = { files: 5_000, bytes: 104_800_000 };
const small = { files: 50, bytes: 323_000 };
/** Of the large project, what lies in its application: the rest is what it depends on. */
const application = { files: 500, bytes: 9_300_000 };
/** A checkout is older than this when it is built: what was just written is never believed by its times alone. */
const agedMs = 2_500;
const memory = '/dev/shm';

type Case = 'large-cold' | 'large-no-op' | 'split-one-file' | 'small-cold' | 'small-one-file';
const own = 'hermesh';
/** Milliseconds by case and builder. */
type Times = Record<Case, Record<string, number[]>> & { readonly assemble: number[] };

let measured: Promise<Times> | undefined;
const measureOnce = (rounds: number, say: (text: string) => void): Promise<Times> => {
  measured ??= measure(rounds, say);
  return measured;
};

export const buildRows: readonly Row[] = [
  against('build-large', 'large-cold', 0.75, '5,000 files of 105 MB never seen before, to an image in the engine'),
  against('build-no-op', 'large-no-op', 0.4, 'the same once more, with nothing changed'),
  against('build-one-file', 'split-one-file', 0.95, 'the same as two layers, with one file of the upper one changed'),
  against('build-small', 'small-cold', 1.25, '50 files never seen before', 'BuildKit'),
  against('build-small-one-file', 'small-one-file', 1.25, '50 files, with one of them changed', 'BuildKit'),
  {
    name: 'build-assemble',
    claim: '5,000 files of 105 MB never seen before, to an image in the store',
    unit: 'ms',
    figure: 'median',
    limit: 250,
    measure: async (rounds, say) => ({ samples: (await measureOnce(rounds, say)).assemble }),
  },
];

/** In MB (2^20), of the daemon alone: sources and home on a disk in memory. */
export const buildMemoryRow: Row = {
  name: 'build-memory',
  claim: 'resident memory of a daemon above idle, while it builds 1 GB of 2,000 files',
  unit: 'MB',
  figure: 'worst',
  limit: 150,
  async measure(rounds, say) {
    await using closing = new AsyncDisposableStack();
    const below = await temporary();
    closing.defer(() => rm(below, { recursive: true, force: true }));
    const flags = ['--engine', 'none', '--log', 'silent'];
    const daemon = closing.use(await startDaemon('bench', { home: path.join(below, 'home'), flags }));
    const samples: number[] = [];
    for (let round = 0; round < Math.min(rounds, 3); round += 1) {
      const project = path.join(below, 'project');
      await writeSources(path.join(project, 'app'), 2_000, 1_000_000_000);
      const manifest = {
        manifest_version: '1.0',
        project: { name: 'bench' },
        applications: { app: { source: { path: 'app' } } },
        containers: { web: { applications: { app: { destination: '/srv/app' } }, command: ['/bin/sh'] } },
      };
      await writeFile(path.join(project, 'manifest.json'), JSON.stringify(manifest));
      const idle = await residentOf(daemon.pid);
      let peak = idle;
      const building = daemon.json('hermesh', 'build', path.join(project, 'manifest.json'));
      let isDone = false;
      const done = building.finally(() => {
        isDone = true;
      });
      while (!isDone) {
        await sleep(20);
        peak = Math.max(peak, await residentOf(daemon.pid));
      }
      await done;
      samples.push(peak - idle);
      say(`idle ${idle.toFixed(0)} MB, at most ${peak.toFixed(0)} MB`);
      await rm(project, { recursive: true, force: true });
    }
    return { samples };
  },
};

async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** In the process of a running daemon, without attestations, against whole commands; of several peers the fastest counts. */
function against(name: string, of: Case, limitRatio: number, claim: string, peer?: string): Row {
  return {
    name,
    claim,
    unit: 'ms',
    figure: 'median',
    limitRatio,
    async measure(rounds, say): Promise<Measured> {
      const { [own]: samples = [], ...peers } = (await measureOnce(rounds, say))[of];
      const [fastest] = Object.entries(peers)
        .filter(([one]) => peer === undefined || one === peer)
        .sort(([, left], [, right]) => quantile(left, 0.5) - quantile(right, 0.5));
      return { samples, ...(fastest && { peer: { name: fastest[0], samples: fastest[1] } }) };
    },
  };
}

async function measure(rounds: number, say: (text: string) => void): Promise<Times> {
  if (!(await hasBuildah())) throw new Error('Cannot measure: there is no buildah (apt-get install buildah)');
  await using closing = new AsyncDisposableStack();
  const below = await temporary();
  closing.defer(() => rm(below, { recursive: true, force: true }));
  const { socket } = closing.use(await startPrivateEngine({ name: 'bench', below }));
  const base = await makeSmallImage({ name: 'base', command: ['/bin/sh'] });
  await loadSmallImage(socket, base);
  const peers = [...dockerBuilders(socket), await openBuildah(path.join(below, 'buildah'), base)];
  const ours = closing.use(await openOwn(path.join(below, 'own'), socket));
  const times: Times = {
    'large-cold': {},
    'large-no-op': {},
    'split-one-file': {},
    'small-cold': {},
    'small-one-file': {},
    assemble: [],
  };
  const note = (of: Case, builder: string, ms: number): void => {
    times[of][builder] ??= [];
    times[of][builder].push(ms);
  };

  for (let round = 0; round <= rounds; round += 1) {
    const folder = path.join(below, `round-${round}`);
    const project = async (name: string, parts: readonly { name: string; files: number; bytes: number }[]) => {
      const at = path.join(folder, name);
      for (const part of parts) await writeSources(path.join(at, part.name), part.files, part.bytes);
      await writeRecipes(
        at,
        `${name}-${round}`,
        base,
        parts.map((part) => part.name),
      );
      return at;
    };
    const app = { ...application, name: 'app' };
    const deps = { name: 'deps', files: large.files - app.files, bytes: large.bytes - app.bytes };
    const whole = await project('large', [{ ...large, name: 'app' }]);
    const split = await project('split', [deps, app]);
    const few = await project('small', [{ ...small, name: 'app' }]);
    await sleep(agedMs);
    // The first round warms up; it isn't counted.
    const keep = round === 0 ? () => undefined : note;
    const each = async (of: Case | undefined, at: string): Promise<void> => {
      const turns: [string, () => Promise<number>][] = [
        [own, () => ours.build(at)],
        ...peers.map((peer): [string, () => Promise<number>] => [peer.name, () => peer.build(at)]),
      ];
      // Whoever comes first finds other caches of the machine than whoever comes last.
      const turned = [...turns.slice(round % turns.length), ...turns.slice(0, round % turns.length)];
      for (const [name, build] of turned) {
        const ms = await build();
        if (of === undefined) continue;
        keep(of, name, ms);
        say(`${round === 0 ? 'warming up' : `round ${round}`}: ${of}, ${name}: ${ms.toFixed(0)} ms`);
      }
    };
    const assembled = await ours.assemble(whole);
    say(`${round === 0 ? 'warming up' : `round ${round}`}: assembling ${assembled.toFixed(0)} ms`);
    if (round > 0) times.assemble.push(assembled);
    await each('large-cold', whole);
    await each('large-no-op', whole);
    await each(undefined, split);
    await sleep(agedMs);
    await each(undefined, split);
    await writeFile(path.join(split, 'app/part-0/file-7.txt'), `changed in round ${round}`);
    await each('split-one-file', split);
    await each('small-cold', few);
    await writeFile(path.join(few, 'app/part-0/file-7.txt'), `changed in round ${round}`);
    await each('small-one-file', few);
    for (const { purge } of [ours, ...peers] satisfies Pick<Builder, 'purge'>[]) await purge();
    await rm(folder, { recursive: true, force: true });
  }
  return times;
}

/** On a disk in memory where there is one: a real one is slower each time, for every builder. */
async function temporary(): Promise<string> {
  return await mkdtemp(path.join(memory, 'hermesh-bench-')).catch(() => mkdtemp(path.join(tmpdir(), 'hermesh-bench-')));
}

/** A manifest and a Dockerfile that say the same: the base, and a layer for each folder. */
async function writeRecipes(at: string, project: string, base: { configDigest: string; tag: string }, parts: string[]) {
  const layerOf = (name: string): string => (name === 'deps' ? 'dependencies' : 'application');
  const manifest = {
    manifest_version: '1.0',
    project: { name: project },
    applications: Object.fromEntries(parts.map((name) => [name, { source: { path: name, layer: layerOf(name) } }])),
    containers: {
      web: {
        base: { kind: 'engine', image: base.configDigest },
        applications: Object.fromEntries(parts.map((name) => [name, { destination: `/srv/${name}` }])),
        command: ['/bin/sh'],
      },
    },
  };
  await mkdir(at, { recursive: true });
  await writeFile(path.join(at, 'manifest.json'), JSON.stringify(manifest));
  const copies = parts.map((name) => `COPY ${name} /srv/${name}\n`).join('');
  await writeFile(path.join(at, 'Dockerfile'), `FROM ${base.tag}\n${copies}CMD ["/bin/sh"]\n`);
}

/** What a daemon does, without its attestations: the images of a manifest, pulled by the engine from this process. */
async function openOwn(folder: string, socket: string) {
  await using parts = new AsyncDisposableStack();
  const engine = parts.use(await openDockerEngine({ endpoint: socket }));
  const blobs = await openBlobStore(path.join(folder, 'blobs'));
  const bases = makeBaseSource({ engine: makeEngineBases(engine, blobs) });
  const nothing = () => Promise.reject(new Error('no packages are needed'));
  const packages = { resolve: nothing, fetch: nothing, verify: nothing } as unknown as Parameters<typeof openImages>[1];
  const images = openImages(blobs, packages, undefined, bases, undefined, makeReadMemory(Date.now));
  const built = new Set<Digest>();
  const context = {
    blobs,
    repositories: openRepositories(blobs),
    uploads: openUploads(blobs.directory),
    may: () => true,
    imagesOf: () => [...built],
  };
  const server = createServer(async ({ method = '', url = '', headers }, response) => {
    const answer = await answerDistribution({ method, path: url, headers: { range: headers.range } }, context);
    response.writeHead(answer.status, answer.headers);
    if (answer.body === undefined || answer.body instanceof Uint8Array) response.end(answer.body);
    else {
      for await (const chunk of answer.body)
        if (!response.write(chunk)) await new Promise((go) => response.once('drain', go));
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  parts.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { signal } = new AbortController();
  const work = { report: () => {}, signal };
  const pulled = new Set<string>();
  const owned = parts.move();
  return {
    async build(project: string): Promise<number> {
      const started = performance.now();
      const { build, manifest } = await images.build(path.join(project, 'manifest.json'), { useCache: true }, work);
      for (const { digest, container } of build.images) {
        built.add(digest);
        const reference = `${at}/${manifest.project.name}/${container}@${digest}`;
        await engine.pull(reference, { username: 'bench', password: 'bench' }, { signal });
        pulled.add(reference);
      }
      return performance.now() - started;
    },
    /** Into a store of its own, which knows the base alone, as that of a daemon does after its first build. */
    async assemble(project: string): Promise<number> {
      const place = path.join(folder, 'alone');
      const alone = await openBlobStore(place);
      const based = openImages(
        alone,
        packages,
        undefined,
        makeBaseSource({ engine: makeEngineBases(engine, alone) }),
        undefined,
        makeReadMemory(Date.now),
      );
      try {
        const small = path.join(path.dirname(project), 'small/manifest.json');
        await based.build(small, { useCache: true }, work);
        const started = performance.now();
        await based.build(path.join(project, 'manifest.json'), { useCache: true }, work);
        return performance.now() - started;
      } finally {
        await rm(place, { recursive: true, force: true });
      }
    },
    async purge(): Promise<void> {
      for (const reference of pulled) await engine.removeImage(reference, { signal });
      pulled.clear();
      built.clear();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
