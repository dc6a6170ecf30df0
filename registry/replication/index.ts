// The door of replication: what is decided, and carrying it out.
export { Barrier } from './barrier.ts';
export type { Fault } from './conduct.ts';
export { Connections } from './connections.ts';
export { Guard } from './guard.ts';
export { manners } from './manners.ts';
export { makeKept } from './overlay.ts';
export { defaultReplicateOptions, Replica, type ReplicateOptions, type Surroundings } from './replicate.ts';
export { Spread } from './spread.ts';
export { HeldStore } from './store.ts';
