// The answer of governance, and the built-in rule that gives it: by role and by what the operation does. Deny is the default.
import type { MemberRole } from '#registry';
import type { Principal, Role } from './principal.ts';

export interface Verdict {
  readonly outcome: 'allow' | 'deny' | 'ask';
  readonly reason: string;
  /** The rule that decided, so that it can be looked up. */
  readonly rule: string;
}

export interface Request {
  readonly principal: Principal;
  readonly operation: string;
  readonly readOnly: boolean;
  /** Whether it changes who belongs to the mesh. */
  readonly changesMembership: boolean;
  /** Whether the caller stands on another stack, and if so, whether the operation is open to it. */
  readonly fromElsewhere: boolean;
  readonly remote: boolean;
}

/**
 * Whether a record of that owner may stand; a string is why not. Until there are policies this is one plain rule: a viewer
 * tells of itself and of its CIs, and of nothing that it would have had to do.
 */
export function mayStand(record: { readonly kind: string }, owner: { readonly role: MemberRole }): string | undefined {
  const tells = record.kind === 'stack' || record.kind === 'ci';
  return owner.role === 'viewer' && !tells ? `a viewer may not publish a "${record.kind}"` : undefined;
}

const rank: Record<Role, number> = { viewer: 0, member: 1, admin: 2 };

/** Pure: the same request gets the same verdict on every stack. */
export function decide(request: Request): Verdict {
  const { principal } = request;
  if (request.fromElsewhere && !request.remote) {
    return deny('built-in/local-only', `"${request.operation}" can be asked only on the stack itself`);
  }
  if (request.readOnly) return allow('built-in/look', `a ${principal.role} may look`);
  const needed: Role = request.changesMembership ? 'admin' : 'member';
  return rank[principal.role] >= rank[needed]
    ? allow(`built-in/${needed}`, `a ${principal.role} may do this`)
    : deny(
        `built-in/${needed}`,
        `"${request.operation}" needs the role "${needed}", and the caller is "${principal.role}"`,
      );
}

function allow(rule: string, reason: string): Verdict {
  return { outcome: 'allow', rule, reason };
}

function deny(rule: string, reason: string): Verdict {
  return { outcome: 'deny', rule, reason };
}
