// What a stack says of itself: its record, its CI, and the facts that its CI answers with.
import type { HealthStatus } from '#container-ci';
import type { EngineState } from '#daemon/deploy';
import type { Member, Registry } from '#registry';
import type { Config } from './config.ts';

/** The record of a stack, without whether it is drained. */
export function describeStack(
  config: Config,
  version: string,
  addresses: readonly string[],
  engine: EngineState,
): object {
  return {
    name: config.name,
    site: config.site,
    ...(config.region === undefined ? {} : { region: config.region }),
    labels: config.labels,
    addresses: [...addresses],
    version,
    ...(engine.state !== 'none' ? { engine: { id: engine.info.id, kind: engine.info.kind } } : {}),
  };
}

/** A stack that is drained stays so when its daemon starts anew. */
export function drainingOf(registry: Registry): object {
  const [own] = registry.directory.list<{ draining?: object }>({ kind: 'stack', stack: registry.stack });
  return own?.body.draining ? { draining: own.body.draining } : {};
}

/** The CI that every stack has. */
export function stackCi(name: string): object {
  return {
    name,
    type: 'tekton',
    description: `the stack ${name}`,
    capabilities: ['status'],
    health: 'healthy',
    services: [],
  };
}

/** What the stack's own CI answers with. */
export function factsOf(registry: Registry, name: string, version: string, startedAt: Date, engine: string) {
  return {
    name,
    stack: registry.stack,
    version,
    startedAt,
    engine,
    members: registry
      .members()
      .map((member: Member) => ({ name: member.name, state: member.liveness.state, reason: member.liveness.why })),
    cis: registry.directory
      .list({ kind: 'ci', stack: registry.stack })
      .filter((entry) => entry.name !== name)
      .map((entry) => ({ name: entry.name, health: (entry.body as { health: string }).health })),
  };
}

/** The health of a CI as the mesh has it. */
export function healthOf(registry: Registry, ci: string): HealthStatus | undefined {
  return registry.directory.get<{ health: HealthStatus }>('ci', ci)?.body.health;
}
