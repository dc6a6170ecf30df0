// What is had against an image for the secrets that lie in it: pure, from where they were found and what the manifest lets pass.
import type { Manifest } from '#manifests/schema';
import { makeMatcher } from '../../glob.ts';
import type { Finding } from './finding.ts';

/** Where a secret was found; nothing of the secret itself. */
export interface FoundSecret {
  /** In the image, or `config` for its variables and labels. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** As secretlint names it: `aws/AWSSecretAccessKey`. */
  readonly rule: string;
}

export interface SecretScan {
  readonly found: readonly FoundSecret[];
  /** Whether some files weren't looked at, since there were too many. */
  readonly isCut: boolean;
}

export type SecretPolicy = Pick<Manifest['packaging']['policy'], 'secrets' | 'secrets_ignore'>;

export function secretFindings({ found, isCut }: SecretScan, policy: SecretPolicy): Finding[] {
  if (policy.secrets === 'off') return [];
  const weight = policy.secrets === 'refuse' ? 'refuse' : 'tell';
  const matchers = (policy.secrets_ignore ?? []).map(({ path }) => makeMatcher([path.replace(/^\//, '')]));
  const findings = found
    .filter(({ path }) => !matchers.some((matches) => matches(path.replace(/^\//, ''))))
    .map(
      ({ path, line, rule }): Finding => ({
        policy: 'secrets',
        weight,
        subject: `${path}:${line}`,
        message: `a secret lies there (${rule})`,
        mend: 'take it out, make it void, and give its successor at run time ("secrets" of the container); or name the path with a reason in /packaging/policy/secrets_ignore',
      }),
    );
  if (!isCut) return findings;
  const cut: Finding = {
    policy: 'secrets',
    weight: 'tell',
    subject: 'the image',
    message: 'it has more text than is searched for secrets: the first files were',
    mend: 'leave out of its sources what need not be in it',
  };
  return [...findings, cut];
}
