// What a member may send by each protocol and topic of the mesh: one table, and nothing is served that has no row in it.
import type { Rate } from './budget.ts';

/** What one peer may send by one protocol: requests (or messages) and their bytes, each refilled by the second. */
export interface Bound {
  readonly requests: Rate;
  readonly bytes: Rate;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * By protocol, and by topic without its mesh. Each takes some times what a stack of this mesh sends in its busiest moment, and
 * what it costs at its worst, which is mostly signatures to verify (70 microseconds each), stays below a fifth of a core.
 */
export const manners = {
  // A neighbour hands on what the whole mesh publishes: a core takes 1,000 to 1,600 messages a second.
  '/hermesh/feeds/1.0.0': {
    requests: { perSecond: 600, burst: 3_000 },
    bytes: { perSecond: 16 * MiB, burst: 64 * MiB },
  },
  // A beat of each of 500 stacks that start at once, and the suspicions of ten observers of each that goes; a claim has 350 bytes.
  '/hermesh/liveness/1.0.0': {
    requests: { perSecond: 600, burst: 10_000 },
    bytes: { perSecond: 512 * KiB, burst: 8 * MiB },
  },
  // A round of anti-entropy takes five.
  '/hermesh/heads/1.0.0': { requests: { perSecond: 50, burst: 250 }, bytes: { perSecond: 2 * MiB, burst: 16 * MiB } },
  // Two after a round in which heads differ; a full message has 50 KB and 128 signatures.
  '/hermesh/evidence/1.0.0': {
    requests: { perSecond: 50, burst: 250 },
    bytes: { perSecond: 512 * KiB, burst: 8 * MiB },
  },
  // A roster in parts takes 64; 40,000 statements have 16 MiB.
  '/hermesh/roster/1.0.0': {
    requests: { perSecond: 20, burst: 200 },
    bytes: { perSecond: 512 * KiB, burst: 32 * MiB },
  },
  // The feeds of 1,000 owners a request each or more; a request of nodes and keys has at most 110 KB.
  '/hermesh/feed/1.0.0': {
    requests: { perSecond: 500, burst: 5_000 },
    bytes: { perSecond: 512 * KiB, burst: 4 * MiB },
  },
  '/hermesh/trie/1.0.0': {
    requests: { perSecond: 500, burst: 5_000 },
    bytes: { perSecond: 4 * MiB, burst: 64 * MiB },
  },
  // One exchange after each round, of nine requests at most; a stack that knows nothing of 1,000 is given 350 KB.
  '/hermesh/beats/1.0.0': { requests: { perSecond: 50, burst: 500 }, bytes: { perSecond: 512 * KiB, burst: 8 * MiB } },
  // Opening a channel counts as a message; a subject that is doubted is asked every second, both ways.
  '/hermesh/ping/1.0.0': { requests: { perSecond: 20, burst: 200 }, bytes: { perSecond: KiB, burst: 4 * KiB } },
  // Two after each round; all summaries of 64 zones have 400 KB.
  '/hermesh/zone/1.0.0': { requests: { perSecond: 50, burst: 250 }, bytes: { perSecond: 512 * KiB, burst: 8 * MiB } },
  // Each asks a trie for up to eight proofs.
  '/hermesh/record/1.0.0': { requests: { perSecond: 100, burst: 1_000 }, bytes: { perSecond: 64 * KiB, burst: MiB } },
  // Under the key of an invite: all of 1,000 uses at once, and some twice.
  '/hermesh/join/1.0.0': { requests: { perSecond: 20, burst: 1_200 }, bytes: { perSecond: 80 * KiB, burst: 8 * MiB } },
  '/hermesh/renew/1.0.0': { requests: { perSecond: 2, burst: 100 }, bytes: { perSecond: 64 * KiB, burst: MiB } },
  // An image has up to 100 blobs; who fetches asks each holder of each again as long as it lasts.
  '/hermesh/blob/1.0.0': { requests: { perSecond: 100, burst: 1_000 }, bytes: { perSecond: 64 * KiB, burst: MiB } },
  // Some MiB a request; what is sent for them is bounded by the uploads of who answers.
  '/hermesh/blob-ranges/1.0.0': {
    requests: { perSecond: 500, burst: 5_000 },
    bytes: { perSecond: 128 * KiB, burst: 2 * MiB },
  },
  // A list of 16,384 spans has 200 KB.
  '/hermesh/blob-chunks/1.0.0': {
    requests: { perSecond: 50, burst: 500 },
    bytes: { perSecond: 2 * MiB, burst: 32 * MiB },
  },
  // What people and programs do elsewhere; a slower bound is answered before.
  '/hermesh/operation/1.0.0': {
    requests: { perSecond: 20, burst: 1_000 },
    bytes: { perSecond: MiB, burst: 16 * MiB },
  },
} as const satisfies Record<string, Bound>;

export type Protocol = keyof typeof manners;

/** The row of a protocol, or of a topic with its mesh; throws where it has none, which is a fault of the program. */
export function protocolOf(name: string): Protocol {
  const [protocol = name] = /^\/hermesh\/[a-z-]+\/\d+\.\d+\.\d+/.exec(name) ?? [];
  if (protocol in manners) return protocol as Protocol;
  throw new Error(`Cannot serve "${name}": what a member may send by it stands nowhere; add a row to manners.ts`);
}
