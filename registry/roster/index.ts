// The door of the roster: who belongs to the mesh, and how a stack comes in.
export { Admission, joinProtocol, joinTimeoutMs, maxJoinRequestBytes, type Welcome } from './admission.ts';
export { askToJoin, checkInvite, type JoinerFacts, probeInvite } from './joining.ts';
export { Membership } from './membership.ts';
export { MeshTime, sayClockOff, type TimeSample } from './mesh-time.ts';
export { answerRenewal, maxRenewRequestBytes, Renewal, renewProtocol, renewTimeoutMs } from './renewal.ts';
export type { SignedRoot } from './roots.ts';
export type { Membership as CertifiedMember, Roster } from './roster.ts';
export { isForged, rootHash, type Statement } from './statement.ts';
export { RosterStore } from './store.ts';
export { readToken, writeToken } from './token.ts';
