// The door of the CIs that a stack answers for.
export type { Asking, CallRemote, Cis } from './cis.ts';
export { makeCis } from './cis.ts';
export { keepContainerRecords } from './container-records.ts';
export type { LocalCis, Registering, Registration, Speaker } from './registrations.ts';
export { openLocalCis } from './registrations.ts';
