// The order of containers: each tier depends only on tiers below it (backend, then middleware, then frontend).
import type { Manifest } from '#manifests';
import { CookbookError } from './error.ts';

/** Names of containers, the lowest tier first, by name within one; `dependency-cycle` names the circle. */
export function tiersOf(manifest: Manifest): string[][] {
  const levels = new Map<string, number>();
  const levelOf = (name: string, trail: readonly string[]): number => {
    const known = levels.get(name);
    if (known !== undefined) return known;
    if (trail.includes(name)) {
      const circle = [...trail.slice(trail.indexOf(name)), name].join(' -> ');
      throw new CookbookError(
        'dependency-cycle',
        `Cannot order the containers: ${circle} is a circle; remove one "depends_on"`,
      );
    }
    const container = manifest.containers[name];
    if (!container) {
      const by = trail.at(-1) ?? '';
      throw new CookbookError(
        'unknown-dependency',
        `Cannot order the containers: "${by}" depends on "${name}", which the manifest doesn't have`,
      );
    }
    const level = Object.keys(container.depends_on).reduce(
      (max, needed) => Math.max(max, levelOf(needed, [...trail, name]) + 1),
      0,
    );
    levels.set(name, level);
    return level;
  };
  const names = Object.keys(manifest.containers).sort();
  const levelByName = names.map((name) => [name, levelOf(name, [])] as const);
  const height = Math.max(...levelByName.map(([, level]) => level)) + 1;
  return Array.from({ length: height }, (_, tier) =>
    levelByName.filter(([, level]) => level === tier).map(([name]) => name),
  );
}
