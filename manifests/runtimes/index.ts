// The door of the runtimes: exact versions of what applications run on, beside Debian's packages.
export { type LockedNode, lockedNodeSchema, type NodeSource, nodePackageOf } from './node-source.ts';
