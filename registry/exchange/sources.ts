// Who has a blob, in which size and by which list of ranges: asked of those that say so, and judged by how many agree.
import type { Clock } from '../clock.ts';
import { within } from '../clock.ts';
import type { Network, StackId } from '../network.ts';
import { fromBytes, toBytes } from '../wire.ts';
import { type BlobAnswer, blobAnswer, blobProtocol, maxBlobAnswerBytes } from './messages.ts';
import { type BlobDigest, hashBytes, RangeSet, rangeCount, rootOf } from './ranges.ts';

/** A holder that has to make its list first takes some seconds for some GB. */
const askMs = 10_000;

export interface AskParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly reach: (stack: StackId, options: { signal: AbortSignal }) => Promise<void>;
}

/** What one stack says that it has. */
export interface Source {
  readonly stack: StackId;
  readonly sizeBytes: number;
  readonly root: string;
  readonly have: RangeSet;
  /** What it gave to others of late, where it has all. */
  readonly given: RangeSet | undefined;
  readonly others: readonly StackId[];
  readonly list: Uint8Array | undefined;
}

/** Undefined from who has nothing of it or can't be reached; `others` are told even then. */
export async function askSource(
  { network, clock, reach }: AskParts,
  stack: StackId,
  request: { readonly blob: BlobDigest; readonly list: boolean },
  { signal }: { signal: AbortSignal },
): Promise<Source | undefined> {
  const answer = await within(clock, askMs, { signal }, async (limit) => {
    if (!network.connected().includes(stack)) await reach(stack, { signal: limit });
    const options = { signal: limit, maxResponseBytes: maxBlobAnswerBytes };
    return network.request(stack, blobProtocol, toBytes(request), options);
  }).catch(() => undefined);
  const read = answer && fromBytes(blobAnswer, answer, maxBlobAnswerBytes);
  return read ? sourceOf(stack, read) : undefined;
}

function sourceOf(stack: StackId, { size, root, have, given, list, others }: BlobAnswer): Source | undefined {
  if (size === undefined || root === undefined) return undefined;
  const count = rangeCount(size);
  const set = have === undefined ? RangeSet.full(count) : RangeSet.from(have, count);
  if (!set || (list && (list.byteLength !== count * hashBytes || rootOf(list) !== root))) return undefined;
  const gave = given && RangeSet.from(given, count);
  return { stack, sizeBytes: size, root, have: set, given: gave, others, list };
}

/** The list that most of those who have all of it name, else most of all; undefined where none is left. */
export function chooseRoot(
  sources: readonly Source[],
  refused: ReadonlySet<string>,
): { readonly root: string; readonly sizeBytes: number } | undefined {
  const votes = new Map<string, { readonly root: string; readonly sizeBytes: number; votes: number }>();
  for (const { root, sizeBytes, have } of sources) {
    const key = keyOf({ root, sizeBytes });
    if (refused.has(key)) continue;
    const found = votes.get(key) ?? { root, sizeBytes, votes: 0 };
    // One that has all of it made its list from checked content; one that has a part took it from another.
    found.votes += have.isFull ? 1_000 : 1;
    votes.set(key, found);
  }
  return [...votes.values()].sort((a, b) => b.votes - a.votes)[0];
}

/** What tells two claims apart. */
export function keyOf({ root, sizeBytes }: { readonly root: string; readonly sizeBytes: number }): string {
  return `${root} ${sizeBytes}`;
}
