// The door of liveness: who is there, since when, and who says so.
export { Liveness, type Presence } from './liveness.ts';
export { observersOf, subjectsOf } from './ring.ts';
