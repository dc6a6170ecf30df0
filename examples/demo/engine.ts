// The engine of the demo: one that is there already, else a private one that is stopped at the end.
import { existsSync } from 'node:fs';
import { callEngine, engineWanted, startPrivateEngine } from '../../test/support/private-engine.ts';
import { check, type Steps } from './steps.ts';

export interface DemoEngine {
  /** The path of its unix socket. */
  readonly socket: string;
  readonly isPrivate: boolean;
}

/** Undefined where there is none and none can be had; the steps then say what is left out and how to get it. */
export async function findOrStartEngine(steps: Steps, parts: AsyncDisposableStack): Promise<DemoEngine | undefined> {
  const { DOCKER_HOST: host } = process.env;
  const sockets = [...(host?.startsWith('unix://') ? [host.slice('unix://'.length)] : []), '/var/run/docker.sock'];
  for (const socket of engineWanted() ? sockets : []) {
    if (!existsSync(socket)) continue;
    const answer = await callEngine(socket, 'GET', '/_ping').catch(() => undefined);
    if (answer === undefined) continue;
    await steps.run(
      'Find the engine',
      async () => `the one at ${socket}; what the demo starts on it, it removes again`,
    );
    await removeAfterwards(socket, parts);
    return { socket, isPrivate: false };
  }
  if (!engineWanted() || process.getuid?.() !== 0) {
    steps.note(
      'the containers: there is no Docker engine here. Start one, or run this as root on Debian, which installs one.',
    );
    return undefined;
  }
  let socket = '';
  await steps.run('Start a private engine', async () => {
    const engine = parts.use(await startPrivateEngine({ name: 'demo' }));
    socket = engine.socket;
    check((await callEngine(socket, 'GET', '/_ping')) === 'OK', 'the engine answers');
    return `dockerd, process ${engine.pid}, its own data root, socket and addresses (${engine.addressPool})`;
  });
  return { socket, isPrivate: true };
}

/** Leaves an engine that was there before as it was: images that are new go, and so does the mark of the stack that owned it. */
async function removeAfterwards(socket: string, parts: AsyncDisposableStack): Promise<void> {
  const before = new Set(await listImages(socket));
  const wasOwned = await callEngine(socket, 'GET', '/volumes/hermesh-owner').then(
    () => true,
    () => false,
  );
  parts.defer(async () => {
    for (const reference of await listImages(socket)) {
      if (!before.has(reference) && reference.startsWith('127.0.0.1:')) {
        await callEngine(socket, 'DELETE', `/images/${encodeURIComponent(reference)}`).catch(() => undefined);
      }
    }
    if (!wasOwned) await callEngine(socket, 'DELETE', '/volumes/hermesh-owner').catch(() => undefined);
  });
}

async function listImages(socket: string): Promise<string[]> {
  const images = JSON.parse(await callEngine(socket, 'GET', '/images/json')) as { RepoDigests: string[] | null }[];
  return images.flatMap((image) => image.RepoDigests ?? []);
}
