// The door of sweeping the store.
export { type RootSources, rootsOf } from './roots.ts';
export { keepSwept, makeSweep, type SweepOptions, type Swept } from './sweep.ts';
export { openUses, type Uses } from './uses.ts';
