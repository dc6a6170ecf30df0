// Who acts: a person or a program, named `name@stack`, with a role that bounds what it may do.

/** `viewer` may look, `member` may operate, `admin` may change who belongs to the mesh. */
export type Role = 'viewer' | 'member' | 'admin';

export interface Principal {
  readonly name: string;
  /** The stack where it proved who it is. */
  readonly stack: string;
  readonly role: Role;
  /** How it proved who it is. */
  readonly by: 'socket' | 'token' | 'stack' | 'none';
}

/** `name@stack`, as approvals and audit entries name it. */
export function principalName(principal: Principal): string {
  return `${principal.name}@${principal.stack}`;
}
