// Which blobs a store may let go: none that something in use leads to, the longest unused first, and no more than it must.
import type { KeptBlob, SweepableStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { maxManifestBytes, parseDocument } from './documents.ts';
import type { Repositories } from './repositories.ts';

/** Where a blob leads to; most lead nowhere. */
export interface Links {
  /** Its config, layers and manifests. */
  readonly names: readonly Digest[];
  readonly config?: Digest | undefined;
  readonly subject?: Digest | undefined;
}

export interface SweepQuestion {
  /** All that is in the store. */
  readonly blobs: readonly KeptBlob[];
  /** Of those that lead somewhere. */
  readonly links: ReadonlyMap<Digest, Links>;
  /** What is in use: images, indexes, configs, or any other blob. */
  readonly roots: Iterable<Digest>;
  readonly limitBytes: number;
  /** What was used since is in use, with all that it leads to. Milliseconds since 1970. */
  readonly usedSinceMs: number;
}

export interface SweepPlan {
  /** All that is in the store. */
  readonly sizeBytes: number;
  /** What something in use leads to. */
  readonly neededBytes: number;
  /** What may go beside `remove`: it stays as long as the store is within its limit. */
  readonly sparedBytes: number;
  /** In the order in which they go. */
  readonly remove: readonly KeptBlob[];
}

/** The config of artifacts, `{}`: it tells none of them from another. */
const emptyConfig = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

/** Marks what is needed, and plans what goes so that the store has at most `limitBytes`. */
export function planRemovals({ blobs, links, roots, limitBytes, usedSinceMs }: SweepQuestion): SweepPlan {
  const needed = neededOf({ blobs, links, roots, usedSinceMs });
  const sum = (some: readonly KeptBlob[]): number => some.reduce((all, one) => all + one.sizeBytes, 0);
  const sizeBytes = sum(blobs);
  const idle = blobs
    .filter(({ digest }) => !needed.has(digest))
    .sort((one, other) => one.usedAtMs - other.usedAtMs || (one.digest < other.digest ? -1 : 1));
  const remove: KeptBlob[] = [];
  let left = sizeBytes;
  for (const one of idle) {
    if (left <= limitBytes) break;
    remove.push(one);
    left -= one.sizeBytes;
  }
  const idleBytes = sum(idle);
  return { sizeBytes, neededBytes: sizeBytes - idleBytes, sparedBytes: idleBytes - sum(remove), remove };
}

/**
 * What stays: the roots and what was used of late; what these name; what refers to any of these, since an attestation is worth
 * nothing without its image and an image may not run without it; and the images of a config that is a root, since that is how
 * engines name what they run.
 */
function neededOf({ blobs, links, roots, usedSinceMs }: Omit<SweepQuestion, 'limitBytes'>): ReadonlySet<Digest> {
  const referrers = groupBy(links, ({ subject }) => subject);
  const images = groupBy(links, ({ config }) => (config === emptyConfig ? undefined : config));
  const needed = new Set<Digest>();
  const waiting: Digest[] = [];
  for (const root of roots) waiting.push(root, ...(images.get(root) ?? []));
  for (const { digest, usedAtMs } of blobs) if (usedAtMs >= usedSinceMs) waiting.push(digest);
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (needed.has(digest)) continue;
    needed.add(digest);
    waiting.push(...(links.get(digest)?.names ?? []), ...(referrers.get(digest) ?? []));
  }
  return needed;
}

function groupBy(links: SweepQuestion['links'], of: (one: Links) => Digest | undefined): Map<Digest, Digest[]> {
  const groups = new Map<Digest, Digest[]>();
  for (const [digest, one] of links) {
    const key = of(one);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(digest);
    else groups.set(key, [digest]);
  }
  return groups;
}

/** The plan for a store and its repositories. What is looked at here counts as no use. */
export async function planSweep(
  store: Pick<SweepableStore, 'list' | 'peek'>,
  {
    repositories,
    roots,
    ...bounds
  }: Pick<SweepQuestion, 'limitBytes' | 'usedSinceMs'> & {
    readonly repositories: Pick<Repositories, 'names' | 'read'>;
    /** Beside what stands in a repository; asked after the store is listed, so that what comes between is young or a root. */
    readonly roots: (blobs: readonly KeptBlob[]) => Promise<Iterable<Digest>>;
  },
): Promise<SweepPlan> {
  const blobs = await Array.fromAsync(store.list());
  const links = new Map<Digest, Links>();
  for (const { digest, sizeBytes } of blobs) {
    const found = sizeBytes > maxManifestBytes ? undefined : await linksOf(store, digest);
    if (found) links.set(digest, found);
  }
  const all = new Set(await roots(blobs));
  for (const name of await repositories.names()) {
    const held = await repositories.read(name);
    for (const digest of [...Object.keys(held?.manifests ?? {}), ...Object.values(held?.tags ?? {})])
      all.add(digest as Digest);
  }
  return planRemovals({ blobs, links, roots: all, ...bounds });
}

/** Read in its own words: a referrer may stand in no repository. Most small blobs are told apart by their first byte. */
async function linksOf(store: Pick<SweepableStore, 'peek'>, digest: Digest): Promise<Links | undefined> {
  if ((await store.peek(digest, 1))?.[0] !== '{'.charCodeAt(0)) return undefined;
  const bytes = await store.peek(digest);
  if (bytes === undefined) return undefined;
  try {
    const { config, layers, manifests, subject } = parseDocument(bytes);
    const names = [...(config ? [config] : []), ...layers, ...manifests].map((one) => one.digest);
    return { names, config: config?.digest, subject: subject?.digest };
  } catch {
    return undefined;
  }
}
