// Advisories in the OSV format (ossf.github.io/osv-schema 1.6): how one is read, which packages it names, and which versions it means.
import { z } from 'zod';
import type { BilledComponent } from './bill.ts';
import { type CompareVersions, compareByEcosystem } from './versions.ts';

const event = z.object({
  introduced: z.string().optional(),
  fixed: z.string().optional(),
  last_affected: z.string().optional(),
  limit: z.string().optional(),
});
const affected = z.object({
  package: z.object({ ecosystem: z.string(), name: z.string() }).optional(),
  versions: z.array(z.string()).max(100_000).default([]),
  ranges: z
    .array(z.object({ type: z.string(), events: z.array(event).max(10_000) }))
    .max(1000)
    .default([]),
});
const advisorySchema = z.object({
  id: z.string().max(200),
  /** RFC 3339, always UTC. */
  modified: z.iso.datetime(),
  aliases: z.array(z.string()).default([]),
  withdrawn: z.string().optional(),
  summary: z.string().optional(),
  severity: z.array(z.object({ type: z.string(), score: z.string() })).default([]),
  database_specific: z.object({ severity: z.string().optional() }).loose().optional(),
  affected: z.array(affected).max(10_000).default([]),
});

export type Advisory = z.infer<typeof advisorySchema>;
/** OSV's names of ecosystems; Debian's have the release after a colon. */
const ecosystems: Readonly<Record<string, string>> = {
  Debian: 'deb',
  npm: 'npm',
  PyPI: 'pypi',
  Go: 'golang',
  'crates.io': 'cargo',
};
/** An advisory in a text; undefined where it is none. */
export function parseAdvisory(text: string): Advisory | undefined {
  try {
    return advisorySchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** What it says by package: the key, ecosystem and name, under which a database finds it. Ecosystems that nobody here knows are left out. */
export function packageKeys(advisory: Advisory): Map<string, Advisory['affected']> {
  const keys = new Map<string, Advisory['affected']>();
  for (const one of advisory.affected) {
    const ecosystem = ecosystems[one.package?.ecosystem.split(':')[0] ?? ''];
    if (ecosystem === undefined || one.package === undefined) continue;
    const key = keyOf(ecosystem, one.package.name);
    keys.set(key, [...(keys.get(key) ?? []), one]);
  }
  return keys;
}

/** The key of a component: Debian's advisories go by the name of the source. */
export function componentKey({
  ecosystem,
  name,
  source,
}: Pick<BilledComponent, 'ecosystem' | 'name' | 'source'>): string {
  return keyOf(ecosystem, source?.name ?? name);
}

/** OSV's algorithm ("Evaluation"): a listed version is affected; else each range is walked by its events in order. */
export function isAffected(
  component: Pick<BilledComponent, 'ecosystem' | 'version' | 'source' | 'release'>,
  one: Advisory['affected'][number],
): boolean {
  const { ecosystem, source, release } = component;
  const version = source?.version ?? component.version;
  // Each release of Debian mends for itself; where nothing tells the image's, each is asked.
  const [, of] = one.package?.ecosystem.split(':') ?? [];
  if (of !== undefined && release !== undefined && of !== release) return false;
  const plain = version.replace(/^v/, '');
  if (one.versions.includes(version) || one.versions.includes(plain)) return true;
  const compare = compareByEcosystem[ecosystem];
  if (compare === undefined) return false;
  return one.ranges.some(({ type, events }) => type !== 'GIT' && isInRange(version, events, compare));
}

function isInRange(version: string, events: readonly z.infer<typeof event>[], compare: CompareVersions): boolean {
  const limits = events.flatMap(({ limit }) => limit ?? []);
  const isBefore = (limit: string): boolean => limit === '*' || (compare(version, limit) ?? 0) < 0;
  if (limits.length > 0 && !limits.some(isBefore)) return false;
  const at = ({ introduced, fixed, last_affected }: z.infer<typeof event>): string =>
    introduced ?? fixed ?? last_affected ?? '';
  const ordered = events
    .filter(({ limit }) => limit === undefined)
    .sort((first, second) => (at(first) === '0' ? -1 : at(second) === '0' ? 1 : (compare(at(first), at(second)) ?? 0)));
  let isVulnerable = false;
  for (const { introduced, fixed, last_affected } of ordered) {
    // A version that can't be compared isn't said to be affected: no advisory names it.
    if (introduced !== undefined && (introduced === '0' || (compare(version, introduced) ?? -1) >= 0))
      isVulnerable = true;
    if (fixed !== undefined && (compare(version, fixed) ?? -1) >= 0) isVulnerable = false;
    if (last_affected !== undefined && (compare(version, last_affected) ?? -1) > 0) isVulnerable = false;
  }
  return isVulnerable && compare(version, version) !== undefined;
}

/** Names of PyPI are one in any spelling (PEP 503). */
function keyOf(ecosystem: string, name: string): string {
  return `${ecosystem} ${ecosystem === 'pypi' ? name.toLowerCase().replace(/[-_.]+/g, '-') : name}`;
}
