// The door of governance: who acts, may it, and what happened.
export type { AuditCheck, AuditEntry, AuditHead, AuditOptions } from './audit.ts';
export { Audit, inputDigest, maxAuditPage } from './audit.ts';
export type { GovernanceCode } from './errors.ts';
export { GovernanceError } from './errors.ts';
export type { Event, EventPage, EventsOptions, EventType } from './events.ts';
export { Events, maxEventPage } from './events.ts';
export type { Principal, Role } from './principal.ts';
export { principalName } from './principal.ts';
export { migrations } from './store.ts';
export type { Request, Verdict } from './verdict.ts';
export { decide, mayStand } from './verdict.ts';
