// The door of building and running on this stack.
export type { EngineLink, EngineState } from './engine-link.ts';
export { describeEngine, openEngineLink, stateNow } from './engine-link.ts';
export type { Images } from './images.ts';
export { loadManifest, lockFileOf, openImages } from './images.ts';
export { makeIntents } from './intents.ts';
export { lazyPackageSource } from './packages.ts';
export type { PullAccess } from './pull-access.ts';
export { makePullAccess } from './pull-access.ts';
export type { Pulls } from './pulls.ts';
export { bringMissing, imagesOf, makePulls } from './pulls.ts';
export type { Runs } from './runs.ts';
export { makeRuns } from './runs.ts';
export { openSecrets } from './secrets.ts';
export { makeShelf } from './shelf.ts';
export type { Supply } from './supply.ts';
export { openSupply } from './supply.ts';
export { type Journal, openJournal } from './unfinished.ts';
