// The door of the directory: lists, names, and following changes.
export { Directory, type DirectoryChange, type Entry, type HiddenRecord, type ReadOptions } from './directory.ts';
export { handOffName } from './succession.ts';
