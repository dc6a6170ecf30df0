// The door of liveness: who is there, since when, and who says so.
export type { LivenessTiming } from './contact.ts';
export type { Presence } from './judge.ts';
export { observersOf, subjectsOf } from './ring.ts';
export { Watch } from './watch.ts';
