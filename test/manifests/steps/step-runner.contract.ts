// What everything that runs build steps keeps, whatever is behind it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlobStore, Digest, Platform } from '#manifests';
import { readTar } from '#manifests/debian';
import type { StepRun, StepRunner } from '#manifests/steps';
import { writeTar } from '../../../manifests/tar.ts';

export interface RunnerTrial extends AsyncDisposable {
  readonly runner: StepRunner;
  readonly blobs: BlobStore;
  /** Something with a shell, `cp` and `sleep`. */
  readonly root: readonly Digest[];
  readonly platform: Platform;
}

const signal = AbortSignal.timeout(300_000);

/** A step of these lines that sees one file, /src/given. */
export async function stepOf(
  trial: RunnerTrial,
  run: readonly string[],
  limits: Partial<StepRun['limits']> = {},
): Promise<StepRun> {
  const bytes = Buffer.from('given\n');
  const content = async function* () {
    yield bytes;
  };
  const entry = { path: 'given', type: 'file', mode: 0o644, uid: 0, gid: 0, size: bytes.length, content } as const;
  const { digest } = await trial.blobs.write(writeTar([entry]), { maxBytes: 1 << 20, signal });
  return {
    root: trial.root,
    mounts: [{ path: '/src', layer: digest }],
    run,
    environment: { PATH: '/usr/bin:/bin', HOME: '/tmp/home', LC_ALL: 'C.UTF-8', TERM: 'dumb' },
    platform: trial.platform,
    limits: { memoryMib: 256, processes: 64, seconds: 60, maxBytes: 1 << 20, maxEntries: 1000, ...limits },
  };
}

/** What the step leaves, as text by path, and what it prints. */
export async function runStep(trial: RunnerTrial, step: StepRun, more: { readonly signal?: AbortSignal } = {}) {
  const lines: string[] = [];
  const files: Record<string, string> = {};
  const output = (line: string): void => void lines.push(line);
  try {
    const tar = await trial.runner.run(step, { signal: more.signal ?? signal, output });
    for await (const { path, type, content } of readTar(tar)) {
      const bytes = Buffer.concat(await Array.fromAsync(content));
      if (type === 'file') files[path] = bytes.toString();
    }
  } catch (error) {
    throw Object.assign(error as Error, { lines });
  }
  return { files, lines };
}

/** Runs the suite against a runner that `open` gives. */
export function stepRunnerContract(
  title: string,
  open: () => Promise<RunnerTrial>,
  options: { readonly skip?: string | false; readonly timeout?: number } = {},
): void {
  test(`${title}: what a step leaves in /out comes back, and what it prints is told`, options, async () => {
    await using trial = await open();
    const step = await stepOf(trial, ['echo hello', 'echo left > /out/left', 'cp /src/given /out/copy']);
    assert.deepEqual(await runStep(trial, step), {
      files: { 'out/left': 'left\n', 'out/copy': 'given\n' },
      lines: ['hello'],
    });
    const empty = await runStep(trial, await stepOf(trial, ['exit 0', 'echo never > /out/never']));
    assert.deepEqual(empty, { files: {}, lines: [] }, 'nothing stays for the next');
  });

  test(`${title}: a step that fails is told with its exit code`, options, async () => {
    await using trial = await open();
    const failing = await stepOf(trial, ['echo before', 'exit 3', 'echo after']);
    await assert.rejects(runStep(trial, failing), { code: 'step-failed', message: /exit code 3/, lines: ['before'] });
    const unknown = await stepOf(trial, ['no-such-program --help']);
    await assert.rejects(runStep(trial, unknown), { code: 'step-failed', message: /exit code 127/ });
  });

  test(`${title}: what a step sees can't be changed`, options, async () => {
    await using trial = await open();
    for (const place of ['/src/given', '/usr/new', '/new']) {
      const error = await runStep(trial, await stepOf(trial, [`echo x > ${place}`])).catch((fault: unknown) => fault);
      assert.ok(error instanceof Error && 'code' in error && 'lines' in error);
      assert.equal(error.code, 'step-failed');
      assert.match(String(error.lines), /Read-only file system/);
    }
  });

  test(`${title}: a step that runs too long is ended`, options, async () => {
    await using trial = await open();
    const step = await stepOf(trial, ['sleep infinity'], { seconds: 1 });
    await assert.rejects(runStep(trial, step), { code: 'step-failed', message: /longer than 1 s/ });
  });

  test(`${title}: a step that is cancelled ends with the reason`, options, async () => {
    await using trial = await open();
    const step = await stepOf(trial, ['echo begun', 'sleep infinity']);
    const cancel = new AbortController();
    const reason = new Error('enough');
    const output = (): void => cancel.abort(reason);
    await assert.rejects(trial.runner.run(step, { signal: cancel.signal, output }), (error) => error === reason);
  });
}
