// Which blobs a store may let go: none that an image in use names, the longest unused first, and no more than it must.
import type { KeptBlob, SweepableStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { maxManifestBytes, parseDocument } from './documents.ts';
import type { Repositories } from './repositories.ts';

export interface SweepPlan {
  /** All that is in the store. */
  readonly sizeBytes: number;
  /** What something in use names. */
  readonly neededBytes: number;
  /** In the order in which they go. */
  readonly remove: readonly KeptBlob[];
}

/**
 * Plans what goes so that the store has at most `limitBytes`. `roots` are digests that are in use: images, indexes, or any other
 * blob. Kept are they, what they lead to, what stands in a repository, what refers to any of these, and what was used since.
 */
export async function planSweep(
  blobs: Pick<SweepableStore, 'list' | 'peek'>,
  {
    repositories,
    roots,
    limitBytes,
    usedSinceMs,
  }: {
    readonly repositories: Repositories;
    readonly roots: Iterable<Digest>;
    readonly limitBytes: number;
    readonly usedSinceMs: number;
  },
): Promise<SweepPlan> {
  const all = await Array.fromAsync(blobs.list());
  const sizeBytes = all.reduce((sum, one) => sum + one.sizeBytes, 0);
  const sizes = new Map(all.map((one) => [one.digest, one.sizeBytes]));
  const needed = new Set<Digest>();
  const mark = async (digest: Digest): Promise<void> => {
    const size = sizes.get(digest);
    if (needed.has(digest) || size === undefined) return;
    needed.add(digest);
    if (size > maxManifestBytes) return;
    const document = await repositories.document(digest);
    for (const one of [...(document?.blobs ?? []), ...(document?.manifests ?? [])]) await mark(one);
  };
  for (const root of roots) await mark(root);
  for (const name of await repositories.names()) {
    const held = await repositories.read(name);
    for (const digest of [...Object.keys(held?.manifests ?? {}), ...Object.values(held?.tags ?? {})])
      await mark(digest as Digest);
  }
  // Within the limit nothing goes, so nothing more need be known.
  const isOver = sizeBytes > limitBytes;
  const candidates = isOver ? all.filter((one) => !needed.has(one.digest) && one.usedAtMs < usedSinceMs) : [];
  // What refers to a needed image is found in its own words: a referrer may stand in no repository.
  for (const { digest, sizeBytes: size } of candidates) {
    const subject = size > maxManifestBytes ? undefined : subjectOf(await blobs.peek(digest));
    if (subject !== undefined && needed.has(subject)) await mark(digest);
  }
  const remove: KeptBlob[] = [];
  let left = sizeBytes;
  for (const one of candidates.filter(({ digest }) => !needed.has(digest)).sort((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (left <= limitBytes) break;
    remove.push(one);
    left -= one.sizeBytes;
  }
  const neededBytes = [...needed].reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
  return { sizeBytes, neededBytes, remove };
}

/** Looking at a blob to see whether it may go is no use of it. */
function subjectOf(bytes: Uint8Array | undefined): Digest | undefined {
  if (bytes?.[0] !== '{'.charCodeAt(0)) return undefined;
  try {
    return parseDocument(bytes).subject?.digest;
  } catch {
    return undefined;
  }
}
