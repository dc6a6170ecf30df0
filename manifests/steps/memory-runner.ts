// The twins in memory: a runner that knows four commands and no world, and a registry of artifacts that is a map.
import { readTar } from '#manifests/debian';
import type { BlobStore } from '../blobs.ts';
import { ManifestError } from '../error.ts';
import { writeTar } from '../tar.ts';
import type { ArtifactSource } from './artifact.ts';
import type { StepRunner } from './step-runner.ts';

/** What the twin understands, a line each: `echo TEXT`, `echo TEXT > /out/FILE`, `cp FROM /out/FILE`, `exit N`, `sleep infinity`. */
export type MemoryCommand = 'echo' | 'cp' | 'exit' | 'sleep';

/** Runs lines of `MemoryCommand` over the mounts in the store; another command is not found, as in a shell. */
export function makeMemoryStepRunner(blobs: BlobStore): StepRunner {
  return {
    async run({ run, mounts, limits }, { signal, output }) {
      const files = new Map<string, Buffer>();
      const read = async (path: string): Promise<Buffer | undefined> => {
        if (files.has(path)) return files.get(path);
        for (const mount of mounts)
          for await (const entry of readTar(blobs.read(mount.layer)))
            if (`${mount.path}/${entry.path}` === path) return Buffer.concat(await Array.fromAsync(entry.content));
        return undefined;
      };
      const write = (path: string, bytes: Buffer): void => {
        if (!/^\/(?:out|tmp)\//.test(path)) {
          output(`cannot create ${path}: Read-only file system`);
          throw ended('it ended with exit code 2');
        }
        files.set(path, bytes);
        const used = [...files.values()].reduce((sum, { length }) => sum + length, 0);
        if (used > limits.maxBytes) {
          output('write error: No space left on device');
          throw ended('it ended with exit code 1');
        }
      };
      for (const line of run) {
        signal.throwIfAborted();
        const [, text, to] = /^echo (.*?)(?: > (\S+))?$/.exec(line) ?? [];
        const [, from, copy] = /^cp (\S+) (\S+)$/.exec(line) ?? [];
        const code = /^exit (\d+)$/.exec(line)?.[1];
        if (text !== undefined && to === undefined) output(text);
        else if (text !== undefined && to !== undefined) write(to, Buffer.from(`${text}\n`));
        else if (from !== undefined && copy !== undefined) {
          const bytes = await read(from);
          if (bytes === undefined) throw ended('it ended with exit code 1');
          write(copy, bytes);
        } else if (line === 'sleep infinity') await sleepUntil(limits.seconds, signal);
        // What prepares caches writes only below /tmp.
        else if (/^(?:mkdir|ln|if|printf) /.test(line)) continue;
        else if (code === '0') break;
        else if (code !== undefined) throw ended(`it ended with exit code ${code}`);
        else {
          output(`sh: ${line.split(' ')[0]}: not found`);
          throw ended('it ended with exit code 127');
        }
      }
      return writeTar(
        [...files].flatMap(([path, bytes]) =>
          path.startsWith('/out/')
            ? [
                {
                  path: path.slice(1),
                  type: 'file',
                  mode: 0o600,
                  uid: 7,
                  gid: 7,
                  size: bytes.length,
                  content: () => once(bytes),
                } as const,
              ]
            : [],
        ),
        { epochSeconds: 1 },
      );
    },
  };
}

/** Artifacts by `NAME@VERSION`; `fetched` tells which were asked for. */
export function makeMemoryArtifacts(
  contents: ReadonlyMap<string, Uint8Array>,
): ArtifactSource & { readonly fetched: readonly string[] } {
  const fetched: string[] = [];
  return {
    fetched,
    async fetch({ name, version }) {
      const bytes = contents.get(`${name}@${version}`);
      if (bytes === undefined)
        throw new ManifestError(
          'artifact-unavailable',
          `Cannot fetch "${name}" ${version}: the registry does not hold it`,
        );
      fetched.push(`${name}@${version}`);
      return once(bytes);
    },
  };
}

/** Ends when it is aborted, or as one that ran too long. */
async function sleepUntil(seconds: number, signal: AbortSignal): Promise<never> {
  await new Promise((_, reject) => {
    const timer = setTimeout(() => reject(ended(`it ran longer than ${seconds} s`)), seconds * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
  throw ended('it ended');
}

function ended(state: string): ManifestError {
  return new ManifestError('step-failed', state);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
