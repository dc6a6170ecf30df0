// The advisories of this stack: imported into a folder of its home, and asked for the components of a signed bill.
import type { ImportedPart } from '#manifests/supply/advisories';
import type { BilledComponent, Finding, VulnerabilityPolicy } from '#manifests/supply/policy';

export interface Vulnerabilities {
  /** Takes the place of what has the name. Throws what `importAdvisories` throws. */
  bring(
    source: string,
    options: { readonly name: string; readonly signal: AbortSignal },
  ): Promise<ImportedPart & { readonly passedOver: number }>;
  parts(): Promise<readonly ImportedPart[]>;
  /** What the advisories say of the components; nothing where nothing was imported and the policy refuses for none. */
  findings(components: readonly BilledComponent[], policy: VulnerabilityPolicy): Promise<readonly Finding[]>;
}

/** `now` is in milliseconds since 1970. */
export function openVulnerabilities(directory: string, now: () => number): Vulnerabilities {
  /** Loaded when the first image is judged, or advisories are imported. */
  const load = () => import('#manifests/supply/advisories');
  let importing: Promise<unknown> = Promise.resolve();
  return {
    async bring(source, options) {
      const { importAdvisories } = await load();
      // Two at once would each leave the other's part out of the index.
      const mine = importing.then(() => importAdvisories(directory, source, options));
      importing = mine.catch(() => undefined);
      return await mine;
    },
    async parts() {
      return (await (await load()).openAdvisories(directory)).parts;
    },
    async findings(components, policy) {
      const database = await (await load()).openAdvisories(directory);
      if (database.parts.length === 0 && policy.refuse === 'never') return [];
      const { componentKey, vulnerabilityFindings } = await import('#manifests/supply/policy');
      const known = {
        advisories: await database.of(components.map(componentKey)),
        madeAt: database.parts.length === 0 ? undefined : Math.min(...database.parts.map(({ madeAt }) => madeAt)),
        ecosystems: database.parts.flatMap(({ ecosystems }) => ecosystems),
      };
      return vulnerabilityFindings(components, known, { policy, now: now() });
    },
  };
}
