// Brings one blob here: finds who has it, resumes what came before, takes what a base shares, then ranges of several at once.
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { fillByChunks } from './delta.ts';
import { type BlobDigest, fits, maxBlobBytes, RangeSet, rangeBytes, rangeCount, rangeLength } from './ranges.ts';
import type { Incoming } from './serving.ts';
import type { PartialFile, Shelf } from './shelf.ts';
import { askSource, chooseRoot, keyOf, type Source } from './sources.ts';
import { Transfer } from './transfer.ts';

/** Claimed holders that are asked first: enough to share the load, few enough for a mesh of 1,000. */
const maxFirst = 16;
/** Lists that are tried: each that fails cuts off who claimed it. */
const maxRoots = 8;

export interface FetchOptions {
  /** As whoever wants it knows it from a signed manifest. */
  readonly sizeBytes?: number;
  /** A blob that is here and may share much with it. */
  readonly base?: BlobDigest;
  /** Stacks that are known to have it, beside those that say so in their records. */
  readonly from?: readonly StackId[];
  readonly signal: AbortSignal;
}

/** What came, in bytes. */
export interface Fetched {
  readonly sizeBytes: number;
  /** Over the wire, without what it is wrapped in. */
  readonly receivedBytes: number;
  /** Was here from an earlier attempt. */
  readonly resumedBytes: number;
}

export interface FetchParts {
  readonly network: Network;
  readonly shelf: Shelf;
  readonly clock: Clock;
  readonly chance: () => number;
  readonly log: Log;
  readonly reach: (stack: StackId, options: { signal: AbortSignal }) => Promise<void>;
  /** Who says that it holds the blob. */
  readonly holders: (blob: BlobDigest) => readonly StackId[];
  readonly incoming: Map<BlobDigest, Incoming>;
  /** It served, or vouched for, bytes that are wrong. */
  readonly blame: (stack: StackId) => void;
}

/** Throws `unreachable` where nobody who can be reached has it, or all that have it broke off: what came stays for the next time. */
export async function fetchBlob(parts: FetchParts, blob: BlobDigest, options: FetchOptions): Promise<Fetched> {
  const { signal, sizeBytes: expected } = options;
  const blamed = new Set<StackId>();
  const blame = (stack: StackId, what: string): void => {
    if (blamed.has(stack)) return;
    blamed.add(stack);
    parts.log.warn({ peer: stack, blob, what }, 'a stack gave a wrong byte of a blob: it is cut off');
    parts.blame(stack);
  };
  const refused = new Set<string>();
  const count = { receivedBytes: 0, resumedBytes: 0 };
  for (let round = 0; round < maxRoots; round += 1) {
    const sources = (await findSources(parts, blob, options)).filter(
      ({ stack, sizeBytes }) => !blamed.has(stack) && (expected === undefined || sizeBytes === expected),
    );
    const choice = chooseRoot(sources, refused);
    if (!choice) break;
    const { root, sizeBytes } = choice;
    const agreeing = sources.filter((source) => keyOf(source) === keyOf(choice));
    const list = await askList(parts, blob, agreeing, { signal });
    refused.add(keyOf(choice));
    if (!list) continue;
    await using file = await parts.shelf.partial(blob, sizeBytes);
    // A file that nobody began holds nothing to be looked at; after a list that lied, what came by it is looked through.
    const isBegun = file.isResumed || round > 0;
    const verified = isBegun
      ? await readVerified(file, list, sizeBytes, { signal })
      : new RangeSet(rangeCount(sizeBytes));
    if (round === 0) count.resumedBytes = verified.size * rangeBytes;
    const came = (bytes: number): void => {
      count.receivedBytes += bytes;
    };
    const incoming = { sizeBytes, root, list, verified, read: (at: number, length: number) => file.read(at, length) };
    parts.incoming.set(blob, incoming);
    try {
      const { base } = options;
      const from = agreeing.find(({ have }) => have.isFull)?.stack;
      if (base !== undefined && from !== undefined && !verified.isFull) {
        const delta = { ...parts, from, blob, base, sizeBytes, file, verified, came };
        const outcome = await fillByChunks(delta, { signal }).catch((error: unknown) => {
          signal.throwIfAborted();
          parts.log.debug({ blob, from, error }, 'chunks did not come');
          return 'no' as const;
        });
        if (outcome === 'lie') blame(from, 'a chunk');
        await readVerified(file, list, sizeBytes, { signal }, verified);
      }
      const transfer = new Transfer({
        ...parts,
        blob,
        root,
        sizeBytes,
        list,
        verified,
        file,
        look: (stack, limit) => askSource(parts, stack, { blob, list: false }, limit),
        blame: (stack) => blame(stack, 'a range'),
        isBlamed: (stack) => blamed.has(stack),
        came,
      });
      if (
        !(await transfer.run(
          agreeing.filter(({ stack }) => !blamed.has(stack)),
          { signal },
        ))
      ) {
        // Others may hold it by another list, where those of this one lied.
        if (blamed.size > 0) continue;
        throw new RegistryError(
          'unreachable',
          `Cannot fetch ${blob}: ${verified.size} of ${verified.count} MiB are here, and nobody gives the rest now`,
        );
      }
      if (await file.finish()) return { sizeBytes, ...count };
      // All that came fits the list, and the whole doesn't fit the name: who made that list of the whole lied.
      for (const { stack, have } of agreeing) if (have.isFull) blame(stack, 'the list of ranges');
    } finally {
      parts.incoming.delete(blob);
    }
  }
  throw new RegistryError('unreachable', `Cannot fetch ${blob}: no stack that can be reached gives it`);
}

async function findSources(
  parts: FetchParts,
  blob: BlobDigest,
  { from = [], signal }: FetchOptions,
): Promise<Source[]> {
  const claimed = [...new Set([...from, ...parts.holders(blob)])];
  const first: StackId[] = [];
  while (first.length < maxFirst && claimed.length > 0) {
    first.push(...claimed.splice(Math.floor(parts.chance() * claimed.length), 1));
  }
  const answers = await Promise.all(first.map((stack) => askSource(parts, stack, { blob, list: false }, { signal })));
  signal.throwIfAborted();
  return answers.filter((source) => source !== undefined).filter(({ sizeBytes }) => sizeBytes <= maxBlobBytes);
}

/** From the first that gives one which fits the root: no other list has that hash. */
async function askList(
  parts: FetchParts,
  blob: BlobDigest,
  sources: readonly Source[],
  { signal }: { signal: AbortSignal },
): Promise<Uint8Array | undefined> {
  for (const { stack, root } of sources) {
    const answer = await askSource(parts, stack, { blob, list: true }, { signal });
    signal.throwIfAborted();
    if (answer?.list && answer.root === root) return answer.list;
  }
  return undefined;
}

/** What of the file is right by that list; what was verified before is taken as it is. */
async function readVerified(
  file: PartialFile,
  list: Uint8Array,
  sizeBytes: number,
  { signal }: { signal: AbortSignal },
  verified = new RangeSet(rangeCount(sizeBytes)),
): Promise<RangeSet> {
  for (let index = 0; index < verified.count; index += 1) {
    signal.throwIfAborted();
    if (verified.has(index)) continue;
    if (fits(list, index, await file.read(index * rangeBytes, rangeLength(index, sizeBytes)))) verified.add(index);
  }
  return verified;
}
