// Which exact packages some names need: apt's order of choice over an index, without a machine that has anything installed.
import { ManifestError } from '../error.ts';
import { unknownPackage } from './memory-source.ts';
import { type IndexedPackage, type Relation, relationsOf } from './stanza.ts';
import { compareDebian } from './version.ts';

/** The newest of each package, and who provides what isn't a package. */
export interface Archive {
  readonly packages: ReadonlyMap<string, IndexedPackage>;
  readonly providers: ReadonlyMap<string, readonly { readonly by: IndexedPackage; readonly version: string }[]>;
}

/** Of several versions the latest counts, and of equal ones the first that came. */
export async function makeArchive(indexes: Iterable<AsyncIterable<IndexedPackage>>): Promise<Archive> {
  const packages = new Map<string, IndexedPackage>();
  for (const index of indexes)
    for await (const one of index) {
      const other = packages.get(one.name);
      if (!other || compareDebian(one.version, other.version) > 0) packages.set(one.name, one);
    }
  const providers = new Map<string, { by: IndexedPackage; version: string }[]>();
  for (const by of packages.values())
    for (const [relation] of relationsOf(by.provides)) {
      if (!relation) continue;
      const known = providers.get(relation.name) ?? [];
      known.push({ by, version: relation.version });
      providers.set(relation.name, known);
    }
  return { packages, providers };
}

/**
 * These packages and all that they depend on (recommendations not counted), by name. In the order of
 * apt: depth first, and of alternatives of which none is there yet the first that the archive has. Throws `package-unknown` and `package-conflict`.
 */
export function closureOf(archive: Archive, names: readonly string[]): readonly IndexedPackage[] {
  const chosen = new Map<string, IndexedPackage>();
  for (const name of names) if (!archive.packages.has(name)) throw unknownPackage(name);
  // All that is asked for is there before any choice is made, so that one of them may be the choice.
  const asked = names.map((name) => archive.packages.get(name) as IndexedPackage);
  for (const one of asked) chosen.set(one.name, one);
  for (const one of asked) takeNeeds(archive, one, chosen);
  const all = [...chosen.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  refuseConflicts(archive, all, chosen, names);
  return all;
}

/** A stack of its own instead of calls within calls: an index that somebody forged may go as deep as it is long. */
function takeNeeds(archive: Archive, first: IndexedPackage, chosen: Map<string, IndexedPackage>): void {
  type Work = { readonly whose: IndexedPackage; readonly group: readonly Relation[] };
  const stack: Work[] = [];
  const push = (whose: IndexedPackage): void => {
    const groups = relationsOf(whose.depends);
    stack.push(...groups.reverse().map((group) => ({ whose, group })));
  };
  push(first);
  for (let work = stack.pop(); work; work = stack.pop()) {
    const candidates = candidatesOf(archive, work.group);
    if (candidates.some(({ name }) => chosen.has(name))) continue;
    const [choice] = candidates;
    if (!choice) {
      const wanted = work.group.map(nameOf).join(' or ');
      throw new ManifestError(
        'package-conflict',
        `Cannot lock "${first.name}": "${work.whose.name}" needs ${wanted}, which the archive doesn't have; name its other suites, too`,
      );
    }
    chosen.set(choice.name, choice);
    push(choice);
  }
}

/** All that fulfil a group, alternative by alternative: the package of that name before those that provide it. */
function candidatesOf(archive: Archive, group: readonly Relation[]): IndexedPackage[] {
  const found = new Set<IndexedPackage>();
  for (const relation of group) {
    const named = archive.packages.get(relation.name);
    if (named && fits(relation, named.version)) found.add(named);
    for (const { by, version } of archive.providers.get(relation.name) ?? [])
      if (relation.operator === undefined || (version !== '' && fits(relation, version))) found.add(by);
  }
  return [...found];
}

function fits({ operator, version }: Relation, has: string): boolean {
  if (operator === undefined) return true;
  const order = compareDebian(has, version);
  if (operator === '=') return order === 0;
  if (operator === '<<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>=' ? order >= 0 : order > 0;
}

function refuseConflicts(
  archive: Archive,
  all: readonly IndexedPackage[],
  chosen: ReadonlyMap<string, IndexedPackage>,
  names: readonly string[],
): void {
  for (const one of all)
    for (const [relation] of relationsOf(one.conflicts)) {
      const other =
        relation && candidatesOf(archive, [relation]).find(({ name }) => name !== one.name && chosen.has(name));
      if (relation && other)
        throw new ManifestError(
          'package-conflict',
          `Cannot lock ${names.map((name) => `"${name}"`).join(', ')}: "${one.name}" can't be beside "${other.name}" (${nameOf(relation)})`,
        );
    }
}

function nameOf({ name, operator, version }: Relation): string {
  return operator === undefined ? `"${name}"` : `"${name}" (${operator} ${version})`;
}
