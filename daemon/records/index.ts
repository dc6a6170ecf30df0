// The door of records of manifests and builds: written once, found by digest, followed to where they come from.
export { type FoundRecord, findByDigest, isDigestLike } from './find.ts';
export { type LineageNode, lineageOf, standsOn } from './lineage.ts';
export { type Revision, readRevision } from './revision.ts';
export { checkName, checkOf, type RecordChange, writtenBy } from './written.ts';
