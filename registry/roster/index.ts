// The door of the roster: who belongs to the mesh, and how a stack comes in.
export { Admission, joinProtocol, joinTimeoutMs, maxJoinRequestBytes, readToken, writeToken } from './admission.ts';
export { askToJoin } from './joining.ts';
export { Membership } from './membership.ts';
export type { Roster, Statement } from './roster.ts';
export { RosterStore } from './store.ts';
