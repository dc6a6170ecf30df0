// What is had against an image for known vulnerabilities of its components: pure, over advisories that were looked up.
import type { Manifest } from '#manifests/schema';
import { type Advisory, componentKey, isAffected, packageKeys } from './advisory.ts';
import type { BilledComponent } from './bill.ts';
import { cvssScore } from './cvss.ts';
import type { Finding } from './finding.ts';
import { isComparable } from './versions.ts';

export type VulnerabilityPolicy = Manifest['packaging']['policy']['vulnerabilities'];

const levels = ['low', 'medium', 'high', 'critical'] as const;
const dayMs = 86_400_000;

/** What the advisories say of the components; a database that is too old is told instead, since its silence means nothing. */
export function vulnerabilityFindings(
  components: readonly BilledComponent[],
  database: {
    readonly advisories: readonly Advisory[];
    /** Of its oldest part; undefined where there is none. */
    readonly madeAt: number | undefined;
    /** Package URL types that it tells of; all, unless said. */
    readonly ecosystems?: readonly string[];
  },
  { policy, now }: { readonly policy: VulnerabilityPolicy; readonly now: number },
): Finding[] {
  const silence = (message: string): Finding => ({
    policy: 'vulnerabilities',
    weight: policy.refuse === 'never' ? 'tell' : 'refuse',
    subject: 'the database',
    message,
    mend: 'import a newer one ("hermesh vulnerabilities import PATH")',
  });
  const ageDays = Math.floor((now - (database.madeAt ?? now)) / dayMs);
  const wanted = new Set(components.map(({ ecosystem }) => ecosystem).filter(isComparable));
  const untold = [...wanted].filter((one) => !(database.ecosystems ?? [one]).includes(one)).sort();
  const silences = [
    ...(ageDays > policy.max_database_age_days
      ? [silence(`it is ${ageDays} days old, and at most ${policy.max_database_age_days} tell something`)]
      : []),
    ...(untold.length > 0 ? [silence(`it has nothing of ${untold.join(', ')}`)] : []),
  ];
  const byPackage = new Map<string, [Advisory, Advisory['affected'][number]][]>();
  for (const advisory of database.advisories) {
    if (advisory.withdrawn !== undefined) continue;
    for (const [key, all] of packageKeys(advisory))
      byPackage.set(key, [...(byPackage.get(key) ?? []), ...all.map((one): [Advisory, typeof one] => [advisory, one])]);
  }
  const told = components.filter(({ isExcluded }) => !isExcluded);
  const found = told.flatMap((component) => {
    const hits = (byPackage.get(componentKey(component)) ?? []).filter(([, one]) => isAffected(component, one));
    return [...new Map(hits.map(([advisory, one]) => [advisory.id, { advisory, one }])).values()].map(
      ({ advisory, one }) => findingOf(component, advisory, one, policy, now),
    );
  });
  return [...silences, ...found];
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

/** As the database says it in a word, else by the score, given or computed; vectors of CVSS 4 aren't computed here. */
function levelOf({ database_specific, severity }: Advisory): (typeof levels)[number] | undefined {
  const word = database_specific?.severity?.toLowerCase() ?? '';
  const named = word === 'moderate' ? 'medium' : word;
  const score = severity.map((one) => cvssScore(one.score) ?? Number(one.score)).find(Number.isFinite);
  const level = levels.find((one) => one === named);
  if (level !== undefined || score === undefined) return level;
  return score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : 'low';
}
