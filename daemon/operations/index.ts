// The door of the operations: the one list, and the one way to carry them out.
export type { DaemonOperation } from './declare.ts';
export type { Invoke } from './invoke.ts';
export { makeInvoke } from './invoke.ts';
export { operations } from './list.ts';
