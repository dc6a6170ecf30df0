// The door of the exchange: blobs between stacks, and the seam to where they lie.
export { type Exchange, type ExchangeOptions, openExchange } from './exchange.ts';
export type { Fetched, FetchOptions } from './fetch.ts';
export {
  type Claim,
  claimsOf,
  type Holding,
  holdingKind,
  maxHoldingBlobs,
  maxHoldingReferrers,
  referrersIn,
} from './holding.ts';
export { type Deed, type Ended, Plan } from './plan.ts';
export { type BlobDigest, hashBytes, makeRangeList, maxBlobBytes, RangeSet, rangeBytes, rangeCount } from './ranges.ts';
export type { PartialFile, Shelf } from './shelf.ts';
