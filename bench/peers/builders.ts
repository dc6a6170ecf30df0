// Builders of others that rows are measured against: Docker's classic builder, its BuildKit, and buildah with `--timestamp 0`.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { SmallImage } from '../../test/support/small-image.ts';

const run = promisify(execFile);
/** The client of Debian's engine, which speaks to both of its builders; newer clients need a plugin for BuildKit. */
const docker = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';
const maxBuffer = 64 * 1024 * 1024;

export interface Builder {
  readonly name: string;
  /** Milliseconds from the command's start to its end; the image lies in the builder's own store then. */
  build(context: string, options?: { readonly useCache?: boolean }): Promise<number>;
  /** The id of the image that the last build made. */
  image(): Promise<string>;
  /** Forgets all images but the base, and all that is kept for later builds. */
  purge(): Promise<void>;
}

/** The two builders of an engine, which holds the base as `FROM` names it. */
export function dockerBuilders(socket: string): readonly Builder[] {
  const call = async (words: readonly string[], buildkit: boolean): Promise<string> => {
    const environment = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: buildkit ? '1' : '0' };
    return (await run(docker, words, { env: environment, maxBuffer })).stdout.trim();
  };
  return [false, true].map((buildkit): Builder => {
    const tag = buildkit ? 'bench-buildkit:1' : 'bench-classic:1';
    return {
      name: buildkit ? 'BuildKit' : 'docker build',
      async build(context, { useCache = true } = {}) {
        const words = ['build', '--quiet', ...(useCache ? [] : ['--no-cache']), '--tag', tag, context];
        return await timed(() => call(words, buildkit));
      },
      image: () => call(['image', 'inspect', '--format', '{{.Id}}', tag], buildkit),
      async purge() {
        await call(['image', 'rm', '--force', tag], buildkit);
        await call(['image', 'prune', '--force'], buildkit);
        if (buildkit) await call(['builder', 'prune', '--all', '--force'], buildkit);
      },
    };
  });
}

/** buildah over a store of its own below `folder`, with a base in it under the name that `FROM` gives it. */
export async function openBuildah(folder: string, base?: SmallImage): Promise<Builder> {
  const places = ['--root', path.join(folder, 'storage'), '--runroot', path.join(folder, 'running')];
  const call = async (...words: string[]): Promise<string> =>
    (await run('buildah', [...places, ...words], { maxBuffer })).stdout.trim();
  if (base) {
    // A layout or an archive would be named by its path, which isn't always a name of an image.
    const [layer = Buffer.alloc(0)] = base.blobs.values();
    const archive = path.join(folder, 'base.tar');
    await mkdir(folder, { recursive: true });
    await writeFile(archive, layer);
    const container = await call('from', 'scratch');
    await call('add', '--quiet', container, archive, '/');
    await call('commit', '--quiet', container, base.tag);
    await call('rm', container);
  }
  const tag = 'localhost/bench-buildah:1';
  return {
    name: 'buildah --timestamp 0',
    async build(context, { useCache = true } = {}) {
      const kept = useCache ? ['--layers'] : ['--layers', '--no-cache'];
      const words = ['build', '--quiet', '--pull-never', '--timestamp', '0', ...kept, '--tag', tag, context];
      return await timed(() => call(...words));
    },
    image: () => call('images', '--quiet', '--no-trunc', tag),
    async purge() {
      await call('rmi', '--force', tag);
      await call('rmi', '--prune', '--force');
    },
  };
}

/** Whether buildah is here. */
export async function hasBuildah(): Promise<boolean> {
  return await run('buildah', ['--version']).then(
    () => true,
    () => false,
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
