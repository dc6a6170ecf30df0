// After a restart of the host the files of secrets are gone with its memory: they are written again, and their containers started.
import type { Logger } from 'pino';
import { type Engine, engineName, messageOf } from '#container-ci';
import { type SpecRequest, secretFilesOf } from '#cookbooks';
import type { Manifest } from '#manifests';
import type { RunRecord } from '../kinds.ts';
import type { Images } from './images.ts';
import type { Secrets } from './secrets.ts';

/** What can't be revived is logged, and the rest goes on. */
export async function revive(
  engine: Engine,
  secrets: Secrets,
  runs: readonly { readonly body: RunRecord }[],
  images: Pick<Images, 'manifest'>,
  requestOf: (manifest: Manifest, digest: string) => Omit<SpecRequest, 'images' | 'platform'>,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  for (const { body } of runs) {
    const manifest = await images.manifest(body.manifestDigest);
    for (const { container } of manifest ? body.containers : []) {
      if (!manifest) continue;
      const files = secretFilesOf(requestOf(manifest, body.manifestDigest), container);
      const name = engineName(body.project, container);
      try {
        if (files.length === 0 || !(await secrets.isMissing(files))) continue;
        const state = await engine.inspect(name, { signal });
        if (!state) continue;
        await secrets.put(files, { signal });
        if (state.status !== 'running') await engine.startContainer(name, { signal });
        log.info({ container: name }, 'gave a container its secrets back');
      } catch (error) {
        log.warn({ container: name, error: messageOf(error) }, 'a container could not get its secrets back');
      }
    }
  }
}
