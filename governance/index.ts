// The door of governance: who acts, may it, and what happened.
export type { Principal, Role } from './principal.ts';
export { principalName } from './principal.ts';
export type { Request, Verdict } from './verdict.ts';
export { decide } from './verdict.ts';
