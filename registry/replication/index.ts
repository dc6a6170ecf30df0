// The door of replication: what is decided, and carrying it out.
export { Connections } from './connections.ts';
export { defaultReplicateOptions, Replica, type ReplicateOptions } from './replicate.ts';
export { Spread } from './spread.ts';
