// How the parts of a manifest need one another: containers their dependencies, steps the steps before them.
import type { Manifest, ManifestApplication } from '#manifests/schema';
import { type Problem, pointerOf } from './error.ts';
import { circleIn, inOrder, type Needs } from './order.ts';

/** Containers so that each comes after those it depends on; among equals as in `build_order`, then by name. */
export function containersInOrder(manifest: Manifest): string[] {
  return inOrder(needsOfContainers(manifest), manifest.packaging.build_order);
}

/** Steps of an application so that each comes after those it needs, among equals as they stand in the manifest. */
export function stepsInOrder(application: ManifestApplication): string[] {
  return inOrder(
    needsOfSteps(application),
    application.build.steps.map(({ name }) => name),
  );
}

export function needsOfContainers(manifest: Manifest): Needs {
  return new Map(Object.entries(manifest.containers).map(([name, one]) => [name, Object.keys(one.depends_on)]));
}

export function needsOfSteps(application: ManifestApplication): Needs {
  return new Map(application.build.steps.map(({ name, needs }) => [name, needs]));
}

/** Circles of containers or steps, and a `build_order` that dependencies don't allow; each named by its path. */
export function orderProblems(manifest: Manifest): Omit<Problem, 'line'>[] {
  const containers = needsOfContainers(manifest);
  const loop = circleIn(containers);
  const ofSteps = Object.entries(manifest.applications).flatMap(([name, application]) => {
    const circle = circleIn(needsOfSteps(application));
    const index = application.build.steps.findIndex((step) => step.name === circle?.at(-2));
    return circle === undefined
      ? []
      : [circleProblem(['applications', name, 'build', 'steps', index, 'needs'], 'the steps need one another', circle)];
  });
  if (loop === undefined) return [...ofSteps, ...orderAgainst(manifest.packaging.build_order, containers)];
  const at = ['containers', loop.at(-2) ?? '', 'depends_on', loop.at(-1) ?? ''];
  return [circleProblem(at, 'the dependencies run', loop), ...ofSteps];
}

function circleProblem(path: readonly PropertyKey[], what: string, circle: readonly string[]): Omit<Problem, 'line'> {
  return {
    pointer: pointerOf(path),
    message: `${what} in a circle: ${circle.join(' -> ')}`,
    mend: 'take one of them out',
  };
}

/** The first container that `build_order` puts before one that it depends on. */
function orderAgainst(order: readonly string[], needs: Needs): Omit<Problem, 'line'>[] {
  for (const [index, name] of order.entries()) {
    const path = pathTo(name, new Set(order.slice(index + 1)), needs);
    if (path === undefined) continue;
    return [
      {
        pointer: pointerOf(['packaging', 'build_order', index]),
        message: `"${name}" stands before "${path.at(-1)}", which it depends on: ${path.join(' -> ')}`,
        mend: `put "${path.at(-1)}" before it`,
      },
    ];
  }
  return [];
}

/** The shortest way from a name along its needs to one of the goals (breadth-first search). */
function pathTo(from: string, goals: ReadonlySet<string>, needs: Needs): string[] | undefined {
  const seen = new Set([from]);
  let trails = [[from]];
  while (trails.length > 0) {
    const next: string[][] = [];
    for (const trail of trails) {
      for (const other of needs.get(trail.at(-1) ?? '') ?? []) {
        if (seen.has(other)) continue;
        seen.add(other);
        if (goals.has(other)) return [...trail, other];
        next.push([...trail, other]);
      }
    }
    trails = next;
  }
  return undefined;
}
