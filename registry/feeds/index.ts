// The door of feeds: signed heads and deltas, their tries, and the feeds that are kept.

export { Descent, maxPaths } from './descent.ts';
export {
  type Change,
  changeSchema,
  digestOf,
  maxDeltaBytes,
  maxFeedBytes,
  maxFeedRecords,
  type Position,
  positionOf,
  positionSchema,
  recordHash,
  recordKey,
  relate,
  type SignedHead,
  signedHeadSchema,
  type VerifiedDelta,
  type VerifiedHead,
  verifyDelta,
  verifyHead,
} from './feed.ts';
export { type Applied, Feeds } from './feeds.ts';
export { makeProvenRecord, maxProvenBytes, type ProvenRecord, verifyProvenRecord } from './proven.ts';
export { type Evidence, provesEquivocation, type Quarantine, type QuarantineReason } from './quarantine.ts';
export { maxPageRecords, nodesAt } from './served.ts';
export { FeedStore, type RecordRow } from './store.ts';
export { emptyRoot, find, put, remove, rootOf, type Trie, trieOf } from './trie.ts';
export { verifyWhole, type WholeFeed } from './whole.ts';
