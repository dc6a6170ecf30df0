// What a manifest says in short, written out: what applications bring to the containers that use them, and Tekton's words.
import type { Application } from './application.ts';
import type { Container } from './container.ts';
import type { Platform } from './primitives.ts';

interface Parts {
  readonly applications: Record<string, Application>;
  readonly containers: Record<string, Container>;
  readonly packaging: { readonly platforms: Platform[] };
}

/** A container that says all that can be known of it. */
export type FullContainer = Container & { working_directory: string };

/** The same manifest in full; what is in full already stays as it is. */
export function writeOut<Whole extends Parts>(
  manifest: Whole,
): Omit<Whole, 'containers'> & { containers: Record<string, FullContainer> } {
  const applications = mapValues(manifest.applications, withTektonWords);
  const containers = mapValues(manifest.containers, (container) =>
    withApplications(withDockerConfig(container), applications, manifest.packaging.platforms),
  );
  return { ...manifest, applications, containers };
}

function withTektonWords(application: Application): Application {
  const { start, run_command } = application;
  return start.length > 0 || run_command === undefined
    ? application
    : { ...application, start: ['/bin/sh', '-c', run_command] };
}

function withDockerConfig(container: Container): Container {
  const docker = container.docker_config;
  if (docker === undefined) return container;
  const { base_image = docker.base_image, ci_capabilities } = container;
  return {
    ...container,
    ...(base_image !== undefined && { base_image }),
    ports: union(container.ports, docker.exposed_ports),
    environment: { ...docker.environment, ...container.environment },
    ci_capabilities: ci_capabilities.length > 0 ? ci_capabilities : (docker.container_ci?.capabilities ?? []),
  };
}

/** Names that no application bears are left for the checks of the whole. */
function withApplications(
  container: Container,
  applications: Readonly<Record<string, Application>>,
  platforms: Platform[],
): FullContainer {
  const uses = Object.entries(container.applications).flatMap(([name, { destination }]) =>
    Object.hasOwn(applications, name) ? [{ destination, ...(applications[name] as Application) }] : [],
  );
  const hasCommand = container.entrypoint.length > 0 || container.command.length > 0;
  const starts = hasCommand ? [] : uses.filter(({ start }) => start.length > 0);
  const starting = starts.length === 1 ? starts[0] : undefined;
  const health = container.health ?? uses.find((one) => one.health !== undefined)?.health;
  return {
    ...container,
    platforms: container.platforms.length > 0 ? container.platforms : platforms,
    debian: uses.reduce((names, { runtime }) => union(names, runtime.debian), container.debian),
    applications: mapValues(container.applications, (use, name) =>
      use.content.length > 0 ? use : { ...use, content: contentOf(applications[name]) },
    ),
    command: starting?.start ?? container.command,
    working_directory: container.working_directory ?? starting?.destination ?? '/',
    ports: uses.reduce((ports, one) => union(ports, one.ports), container.ports),
    ...(health !== undefined && { health }),
  };
}

function contentOf(application: Application | undefined): string[] {
  return ['source', ...(application?.build.steps.map(({ name }) => name) ?? [])];
}

function union<Item>(first: readonly Item[], second: readonly Item[]): Item[] {
  return [...first, ...second.filter((item, index) => !first.includes(item) && second.indexOf(item) === index)];
}

function mapValues<Value, Result>(
  record: Readonly<Record<string, Value>>,
  make: (value: Value, key: string) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value, key)]));
}
