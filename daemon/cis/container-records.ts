// Keeps the records of this stack's Container CIs as the observer sees them: written when one appears or changes, gone with it.
import type { Logger } from 'pino';
import type { CiView, Observer } from '#container-ci';
import type { Registry } from '#registry';
import type { CiRecord } from '../kinds.ts';
import type { LocalCis } from './registrations.ts';

/** Follows the observer until the signal is aborted. Records of containers that went while no daemon ran are removed first. */
export async function keepContainerRecords(
  observer: Observer,
  registry: Registry,
  local: Pick<LocalCis, 'giveWay'>,
  log: Logger,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const changes = observer.changes({ signal });
  const present = new Set(observer.cis().map((view) => view.ci));
  const gone = registry.directory
    .list({ kind: 'ci', stack: registry.stack })
    .filter((one) => (one.body as CiRecord).type === 'container' && !present.has(one.name));
  for (const name of present) local.giveWay(name);
  registry.write([
    ...gone.map((one) => ({ kind: 'ci', name: one.name, body: undefined })),
    ...observer.cis().map((view) => ({ kind: 'ci', name: view.ci, body: recordOf(view) })),
  ]);
  for await (const change of changes) {
    const { ci } = change.view;
    if (change.type !== 'gone') local.giveWay(ci);
    log.debug({ ci, change: change.type, health: change.view.health }, 'ci changed');
    registry.write([{ kind: 'ci', name: ci, body: change.type === 'gone' ? undefined : recordOf(change.view) }]);
  }
}

function recordOf(view: CiView): CiRecord {
  return {
    name: view.ci,
    type: 'container',
    capabilities: ['status', 'health', 'logs', 'explain'],
    health: view.health,
    services: view.services.slice(0, 20).map(({ name, ports: [port], confidence }) => ({
      name,
      ...(port === undefined ? {} : { port }),
      confidence: Math.round(confidence * 100) / 100,
    })),
    container: {
      id: view.containerId,
      name: view.containerName,
      image: view.image,
      ...(view.project === undefined ? {} : { project: view.project }),
      ...(view.manifestDigest === undefined ? {} : { manifestDigest: view.manifestDigest }),
    },
  };
}
