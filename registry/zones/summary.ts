// What a zone says of itself to the others: the kind of record, its picture, and when it is written anew.
import { z } from 'zod';
import { defineKind } from '../kind.ts';
import type { StackId } from '../network.ts';
import { bytesSchema, sameBytes, sha256, toBytes } from '../wire.ts';

/** Kinds of record that are counted apart; more would make a summary long, and say little. */
export const maxCountedKinds = 32;
/** Where a gateway can be dialled: some of the addresses of a stack, since a summary goes to every zone. */
export const maxGatewayAddresses = 4;

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A zone as one of its gateways sees it; the record is named as the zone is, that of the zone without a name "-". */
export const zoneKind = defineKind({
  name: 'zone',
  schema: z.strictObject({
    zone: z.string().max(63),
    /** Stacks with a valid certificate, how many of them are up, and how many are known to be down. */
    stacks: count,
    up: count,
    down: count,
    /** Records of all its feeds, but for summaries. */
    records: count,
    /** How many records there are of each kind, the most frequent kinds. */
    kinds: z
      .record(z.string().max(64), count)
      .refine((kinds) => Object.keys(kinds).length <= maxCountedKinds, `at most ${maxCountedKinds} kinds`),
    /** One hash over the records of all its feeds, but for summaries. */
    root: bytesSchema(32),
    /** Where this gateway can be dialled. */
    addresses: z.array(z.string().max(200)).max(maxGatewayAddresses),
    /** When it was written, in milliseconds since 1970; shown, and ordering nothing. */
    at: count,
  }),
  maxBytes: 8 * 1024,
  writer: 'any-member',
});

/** What a summary holds. */
export type Summary = z.infer<typeof zoneKind.schema>;

/** What its record is called. */
export function recordNameOf(zone: string): string {
  return zone === '' ? '-' : zone;
}

/** One hash over what feeds hold, whatever their order; feeds are given with the roots of their tries. */
export function rootOverFeeds(feeds: Iterable<{ readonly feed: StackId; readonly root: Uint8Array }>): Uint8Array {
  const all = [...feeds].sort((a, b) => (a.feed < b.feed ? -1 : 1));
  return sha256(toBytes(all.map(({ feed, root }) => [feed, root])));
}

/** The most frequent kinds with their counts. */
export function mostFrequent(kinds: Iterable<readonly [string, number]>): Record<string, number> {
  const sorted = [...kinds].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  return Object.fromEntries(sorted.slice(0, maxCountedKinds));
}

/** Whether two summaries say the same, whenever they were written. */
export function saySame(one: Summary, other: Summary): boolean {
  return sameBytes(toBytes({ ...one, at: 0 }), toBytes({ ...other, at: 0 }));
}

export interface SummaryTimes {
  /** Between two summaries of one gateway at least, where something changed. */
  readonly changedMs: number;
  /** After this a gateway writes it anew although nothing changed, so that others can tell quiet from gone. */
  readonly refreshMs: number;
}

/** Whether a gateway is to write what it sees now; `last` is what it wrote, and how long ago. */
export function isDue(
  now: Summary,
  last: { readonly summary: Summary; readonly ageMs: number } | undefined,
  times: SummaryTimes,
): boolean {
  if (!last || last.ageMs >= times.refreshMs) return true;
  return last.ageMs >= times.changedMs && !saySame(now, last.summary);
}
