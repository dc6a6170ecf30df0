// The door of feeds: signed heads and deltas, their tries, and the feeds that are kept.
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
  recordKey,
  relate,
  signedHeadSchema,
  type VerifiedDelta,
  type VerifiedHead,
  verifyDelta,
  verifyHead,
} from './feed.ts';
export { type Applied, Feeds } from './feeds.ts';
export { makeProvenRecord, maxProvenBytes, type ProvenRecord, verifyProvenRecord } from './proven.ts';
export { FeedStore, type RecordRow } from './store.ts';
export { remove, rootOf } from './trie.ts';
