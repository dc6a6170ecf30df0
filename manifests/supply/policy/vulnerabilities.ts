// Which components have known vulnerabilities, by advisories in the OSV format (ossf.github.io/osv-schema 1.6): pure, over what was read.
import { z } from 'zod';
import type { Manifest } from '#manifests/schema';
import type { BilledComponent } from './bill.ts';
import type { Finding } from './finding.ts';
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
  aliases: z.array(z.string()).default([]),
  withdrawn: z.string().optional(),
  summary: z.string().optional(),
  severity: z.array(z.object({ type: z.string(), score: z.string() })).default([]),
  database_specific: z.object({ severity: z.string().optional() }).loose().optional(),
  affected: z.array(affected).max(10_000).default([]),
});

export type Advisory = z.infer<typeof advisorySchema>;
export type VulnerabilityPolicy = Manifest['packaging']['policy']['vulnerabilities'];

/** OSV's names of ecosystems; Debian's have the release after a colon. */
const ecosystems: Readonly<Record<string, string>> = {
  Debian: 'deb',
  npm: 'npm',
  PyPI: 'pypi',
  Go: 'golang',
  'crates.io': 'cargo',
};
const levels = ['low', 'medium', 'high', 'critical'] as const;
const dayMs = 86_400_000;

/** An advisory in a text; undefined where it is none. */
export function parseAdvisory(text: string): Advisory | undefined {
  try {
    return advisorySchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** What the advisories say of the components; a database that is too old is told instead, since its silence means nothing. */
export function vulnerabilityFindings(
  components: readonly BilledComponent[],
  database: { readonly advisories: readonly Advisory[]; readonly madeAt: number },
  { policy, now }: { readonly policy: VulnerabilityPolicy; readonly now: number },
): Finding[] {
  const ageDays = Math.floor((now - database.madeAt) / dayMs);
  const isOld = ageDays > policy.max_database_age_days;
  const old: Finding = {
    policy: 'vulnerabilities',
    weight: policy.refuse === 'never' ? 'tell' : 'refuse',
    subject: 'the database',
    message: `it is ${ageDays} days old, and at most ${policy.max_database_age_days} tell something`,
    mend: 'bring a newer one',
  };
  const byPackage = new Map<string, [Advisory, z.infer<typeof affected>][]>();
  for (const advisory of database.advisories) {
    if (advisory.withdrawn !== undefined) continue;
    for (const one of advisory.affected) {
      const key = keyOf(ecosystems[one.package?.ecosystem.split(':')[0] ?? ''] ?? '', one.package?.name ?? '');
      byPackage.set(key, [...(byPackage.get(key) ?? []), [advisory, one]]);
    }
  }
  const found = components.flatMap((component) => {
    const hits = (byPackage.get(keyOf(component.ecosystem, component.name)) ?? []).filter(([, one]) =>
      isAffected(component, one),
    );
    return [...new Map(hits.map(([advisory, one]) => [advisory.id, { advisory, one }])).values()].map(
      ({ advisory, one }) => findingOf(component, advisory, one, policy, now),
    );
  });
  return [...(isOld ? [old] : []), ...found];
}

/** OSV's algorithm ("Evaluation"): a listed version is affected; else each range is walked by its events in order. */
export function isAffected(
  { ecosystem, version }: Pick<BilledComponent, 'ecosystem' | 'version'>,
  one: Advisory['affected'][number],
): boolean {
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

function findingOf(
  component: BilledComponent,
  advisory: Advisory,
  one: Advisory['affected'][number],
  { refuse, ignore }: VulnerabilityPolicy,
  now: number,
): Finding {
  const names = [advisory.id, ...advisory.aliases];
  const isIgnored = ignore.some(
    ({ id, until }) => names.includes(id) && (until === undefined || Date.parse(until) > now),
  );
  const level = levelOf(advisory);
  // What has no severity counts as high: silence isn't harmless.
  const isRefused = refuse !== 'never' && !isIgnored && levels.indexOf(level ?? 'high') >= levels.indexOf(refuse);
  const fixes = one.ranges.flatMap(({ events }) => events.flatMap(({ fixed }) => fixed ?? []));
  return {
    policy: 'vulnerabilities',
    weight: isRefused ? 'refuse' : 'tell',
    subject: component.purl,
    message: `${names.join(', ')} (${level ?? 'no severity told'})${advisory.summary ? `: ${advisory.summary}` : ''}`,
    mend:
      fixes.length > 0
        ? `take ${fixes.join(' or ')}`
        : 'no fixed version is known: take another package, or ignore it with a reason',
  };
}

/** As the database says it in a word; vectors of CVSS 3 aren't computed here. */
function levelOf({ database_specific, severity }: Advisory): (typeof levels)[number] | undefined {
  const word = database_specific?.severity?.toLowerCase() ?? '';
  const named = word === 'moderate' ? 'medium' : word;
  const score = severity.map((one) => Number(one.score)).find((number) => Number.isFinite(number));
  const level = levels.find((one) => one === named);
  if (level !== undefined || score === undefined) return level;
  return score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : 'low';
}

/** Names of PyPI are one in any spelling (PEP 503). */
function keyOf(ecosystem: string, name: string): string {
  return `${ecosystem} ${ecosystem === 'pypi' ? name.toLowerCase().replace(/[-_.]+/g, '-') : name}`;
}
