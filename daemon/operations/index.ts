// The door of the operations: the one list.
export type { DaemonOperation } from './declare.ts';
export { operations } from './list.ts';
