// How a CI is named after its container, and which name is meant by one that nobody has.
import { readLabels } from './labels.ts';

/** A DNS label, so that the name can stand in addresses. */
const maxNameLength = 63;
/** Suggestions further away than this are no help. */
const maxDistance = 3;

/** What its label says, else `<container>-ci` after the engine's name of the container; lower case, digits and "-". */
export function wantedName(container: {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}): string {
  const identity = readLabels(container.labels);
  const name = identity?.ci || `${identity?.container || container.name}-ci`;
  const clean = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return (clean || 'container-ci').slice(0, maxNameLength);
}

/** The wanted name, with a part of the container's id where another has it already. */
export function freeName(wanted: string, containerId: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(wanted)) return wanted;
  const suffix = containerId.slice(0, 6);
  return `${wanted.slice(0, maxNameLength - suffix.length - 1)}-${suffix}`;
}

/** The nearest of the names, if it is near enough to be a slip. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const near = names
    .map((other) => ({ other, distance: other.startsWith(name) ? 1 : distanceOf(name, other) }))
    .filter(({ distance }) => distance <= maxDistance)
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1));
  return near[0]?.other;
}

/** Levenshtein 1966, one row at a time. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
