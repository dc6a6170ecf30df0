// Who may pull what from /v2: short-lived passwords, each scoped to one repository, which is what the engine is handed.
import { randomBytes, timingSafeEqual } from 'node:crypto';

/** Long enough for a pull of a large image on a slow disk, short enough to be worthless when it leaks. */
const lifetimeMs = 10 * 60_000;
/** Far more than pulls run at once; the oldest goes first. */
const maxPasswords = 1000;

export interface PullAccess {
  /** A user name and a password that open one repository for 10 minutes. */
  grant(repository: string): { readonly username: string; readonly password: string };
  /** Whether a password opens a repository now. */
  mayPull(password: string, repository: string): boolean;
  /** Whether it opens any repository now, which is what the engine asks of `/v2/` first. */
  isKnown(password: string): boolean;
}

export function makePullAccess(now: () => number): PullAccess {
  const grants = new Map<string, { readonly repository: string; readonly until: number }>();

  const find = (password: string): { readonly repository: string; readonly until: number } | undefined => {
    for (const [known, grant] of grants) {
      if (grant.until < now()) grants.delete(known);
      else if (isSame(known, password)) return grant;
    }
    return undefined;
  };

  return {
    grant(repository) {
      const password = randomBytes(24).toString('base64url');
      grants.set(password, { repository, until: now() + lifetimeMs });
      for (const oldest of grants.keys()) {
        if (grants.size <= maxPasswords) break;
        grants.delete(oldest);
      }
      return { username: 'pull', password };
    },
    mayPull: (password, repository) => find(password)?.repository === repository,
    isKnown: (password) => find(password) !== undefined,
  };
}

function isSame(left: string, right: string): boolean {
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}
