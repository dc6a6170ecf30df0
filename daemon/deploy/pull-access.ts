// Who may do what at /v2: short-lived passwords, each scoped to repositories and acts, which is what an engine is handed.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Digest } from '#manifests';
import type { DistributionAction } from '#manifests/distribution';

/** Long enough for a pull of a large image on a slow disk, short enough to be worthless when it leaks. */
const lifetimeMs = 10 * 60_000;
/** Far more than pulls run at once; the oldest goes first. */
const maxPasswords = 1000;

export interface GrantOptions {
  /** Pull alone, unless said. */
  readonly actions?: readonly DistributionAction[];
  /** Whether repositories below (`shop` and `shop/api`) are open too; no, unless said. */
  readonly isPrefix?: boolean;
  /** An image that the holder reads through the repository, whether or not it was pushed there. */
  readonly image?: Digest;
  /** 10 minutes, unless said. */
  readonly lifetimeMs?: number;
}

/** What a password opens. */
export interface AccessScope {
  may(repository: string, action: DistributionAction): boolean;
  /** Images that it opens in a repository beside those that stand there. */
  images(repository: string): readonly Digest[];
}

export interface PullAccess {
  /** A user name and a password that open one repository, for a while. */
  grant(repository: string, options?: GrantOptions): { readonly username: string; readonly password: string };
  /** What a password opens now; undefined for one that opens nothing. */
  scope(password: string): AccessScope | undefined;
}

interface Grant extends GrantOptions {
  readonly repository: string;
  readonly until: number;
}

export function makePullAccess(now: () => number): PullAccess {
  const grants = new Map<string, Grant>();

  const find = (password: string): Grant | undefined => {
    for (const [known, grant] of grants) {
      if (grant.until < now()) grants.delete(known);
      else if (isSame(known, password)) return grant;
    }
    return undefined;
  };

  return {
    grant(repository, options = {}) {
      const password = randomBytes(24).toString('base64url');
      grants.set(password, { ...options, repository, until: now() + (options.lifetimeMs ?? lifetimeMs) });
      for (const oldest of grants.keys()) {
        if (grants.size <= maxPasswords) break;
        grants.delete(oldest);
      }
      return { username: 'pull', password };
    },
    scope(password) {
      const grant = find(password);
      if (!grant) return undefined;
      const { actions = ['pull'], isPrefix = false, image } = grant;
      const isWithin = (repository: string): boolean =>
        repository === grant.repository || (isPrefix && repository.startsWith(`${grant.repository}/`));
      return {
        may: (repository, action) => actions.includes(action) && isWithin(repository),
        images: (repository) => (image !== undefined && isWithin(repository) ? [image] : []),
      };
    },
  };
}

function isSame(left: string, right: string): boolean {
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}
