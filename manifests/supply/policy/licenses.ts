// Whether the licences of components are allowed: pure, over SPDX expressions; what isn't one is unknown, and told as that.
import satisfies from 'spdx-satisfies';
import type { Manifest } from '#manifests/schema';
import { expressionOf, licensesNamed } from '#manifests/supply/catalogue';
import type { BilledComponent } from './bill.ts';
import type { Finding } from './finding.ts';

export type LicensePolicy = Manifest['packaging']['policy']['licenses'];

/** What the policy has against each component; several licences of one hold together. */
export function licenseFindings(components: readonly BilledComponent[], policy: LicensePolicy): Finding[] {
  return components.filter(({ isExcluded }) => !isExcluded).flatMap((one) => findingsOf(one, policy));
}

function findingsOf({ purl, licenses }: BilledComponent, policy: LicensePolicy): Finding[] {
  const unknown = (message: string): Finding => ({
    policy: 'licenses',
    weight: policy.unknown === 'deny' ? 'refuse' : 'tell',
    subject: purl,
    message,
    mend: 'find out its licence, or set /packaging/policy/licenses/unknown to "allow"',
  });
  if (licenses.length === 0) return [unknown('it declares no licence')];
  return licenses.flatMap((text) => {
    const expression = expressionOf(text);
    if (expression === undefined) return [unknown(`its licence "${text}" is no SPDX expression`)];
    return isAllowed(expression, policy)
      ? []
      : [
          {
            policy: 'licenses' as const,
            weight: 'refuse' as const,
            subject: purl,
            message: `its licence "${text}" is not allowed`,
            mend: 'take another package, or allow it in /packaging/policy/licenses',
          },
        ];
  });
}

/** Some choice of the expression has only licences that are allowed and not denied. */
function isAllowed(expression: string, { allow, deny }: LicensePolicy): boolean {
  const fits = licensesNamed(expression).filter(
    (license) =>
      (allow.length === 0 || satisfies(license, [...allow])) &&
      !deny.some((one) => license === one || license === `${one}+`),
  );
  return fits.length > 0 && satisfies(expression, fits);
}
