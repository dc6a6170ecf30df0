// The door of the directory: lists, names, filters, and following changes.
export { Directory, type FollowOptions, type ListOptions, type ReadOptions } from './directory.ts';
export type { DirectoryChange, Entry, HiddenRecord } from './entry.ts';
export { type Filter, maxFilterLength, parseFilter } from './filter.ts';
export { handOffName } from './succession.ts';
