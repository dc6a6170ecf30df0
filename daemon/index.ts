// The door of the daemon: one running stack, and how it is configured.
export { type Config, homeOf, readConfig } from './config.ts';
export type { Context } from './context.ts';
export { DaemonError, type DaemonErrorCode } from './errors.ts';
export { cryptoRandom, type Node, type NodeOptions, openNode } from './node.ts';
export { type Problem, problemOf } from './problem.ts';
export type { Settings } from './settings.ts';
export { readVersion } from './version.ts';
