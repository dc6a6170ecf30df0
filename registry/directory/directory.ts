// Reading the registry: lists, names and their order, and following changes from a position. Every read is local.
import type { z } from 'zod';
import type { FeedStore, RecordRow } from '#registry/feeds';
import type { Presence } from '#registry/liveness';
import { isStackId } from '../identity.ts';
import { adoptionKind, handOffKind, type Kind, type Kinds, stackKind } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { Wakeup } from '../wakeup.ts';
import { readValue, toHex } from '../wire.ts';
import { compare, type DirectoryChange, type Entry, type HiddenRecord, rankOf } from './entry.ts';
import type { Facts, Filter } from './filter.ts';
import { type Claim, LookupCache } from './lookup-cache.ts';
import { handOffName, inSuccession, type Succession } from './succession.ts';

export interface ReadOptions {
  /** Records of stacks that are unreachable or down too. */
  readonly includeUnreachable?: boolean;
}

export interface ListOptions<Body> extends ReadOptions {
  readonly kind?: string | KindOf<Body>;
  readonly name?: string;
  /** A stack's name or id. */
  readonly stack?: string;
  readonly where?: Filter;
}

export interface FollowOptions {
  /** The position of the last change that was read; from now on where it is left out. */
  readonly from?: number;
  readonly kind?: string;
  readonly where?: Filter;
  /** Told how far the reader is, also by changes that it isn't given. */
  readonly reached?: (position: number) => void;
  /** Awaited after every few hundred records, so that one reader of many lets others have their turn. */
  readonly pause?: () => Promise<void>;
  readonly signal: AbortSignal;
}

type KindOf<Body> = Kind<z.ZodType<Body>>;

/** What the directory asks of the roster and of liveness; undefined for a stack that isn't a member any more. */
export type OwnerOf = (stack: StackId) => { readonly name: string; readonly presence: Presence } | undefined;

/** A reader that is further behind than this, once it had caught up, is cut: two whole feeds at once. */
const maxBehind = 20_000;
const changesAtOnce = 500;
/** Who is suspected is there until others agree. */
const present: ReadonlySet<string> = new Set(['up', 'suspect']);

export class Directory {
  readonly #store: FeedStore;
  readonly #kinds: Kinds;
  readonly #ownerOf: OwnerOf;
  readonly #news = new Wakeup();
  readonly #cache = new LookupCache();

  constructor(store: FeedStore, kinds: Kinds, ownerOf: OwnerOf) {
    this.#store = store;
    this.#kinds = kinds;
    this.#ownerOf = ownerOf;
    store.onChange((kind, name) => {
      const isSuccession = kind === adoptionKind.name || kind === handOffKind.name;
      if (kind === undefined || name === undefined || isSuccession) this.#cache.clear();
      else this.#cache.forget(kind, name);
    });
  }

  /** All records that match, by kind, then name, both by code units, then the order of resolution. */
  list<Body = unknown>(options: ListOptions<Body> = {}): Entry<Body>[] {
    const { name, stack, where, includeUnreachable } = options;
    const kind = typeof options.kind === 'object' ? options.kind.name : options.kind;
    const rows = this.#store.select({
      hidden: false,
      ...(kind !== undefined && { kind }),
      ...(name !== undefined && { name }),
      ...(stack !== undefined && isStackId(stack) && { feed: stack }),
    });
    const factsOf = this.#describer();
    const sorted = rows
      .flatMap((row) => this.#claim(row) ?? [])
      .flatMap((claim) => this.#entry<Body>(claim, includeUnreachable) ?? [])
      .filter((entry) => stack === undefined || entry.stack === stack || entry.stackName === stack)
      .filter((entry) => where === undefined || where.matches(factsOf(entry, where)))
      .map((entry) => ({ entry, rank: rankOf(entry.kind, entry.name, entry.stack) }))
      .sort(
        (a, b) => compare(a.entry.kind, b.entry.kind) || compare(a.entry.name, b.entry.name) || compare(a.rank, b.rank),
      )
      .map(({ entry }) => entry);
    return inSuccession(sorted, () => this.#succession());
  }

  /** Who claims a name, first the one that the bare name means. */
  claimants<Body = unknown>(kind: string | KindOf<Body>, name: string, options: ReadOptions = {}): Entry<Body>[] {
    return this.#claims(kind, name).flatMap((claim) => this.#entry<Body>(claim, options.includeUnreachable) ?? []);
  }

  /**
   * The record that a label means: `name`, or `name@stack` with a stack's name or id. Among several claimants it is the
   * one with the lowest SHA-256 over kind, name and stack id, on every stack alike. A name that has an `@` of its own and
   * is claimed goes before what is left of it at a stack.
   */
  get<Body = unknown>(kind: string | KindOf<Body>, label: string, options: ReadOptions = {}): Entry<Body> | undefined {
    for (const claim of this.#claims(kind, label)) {
      const entry = this.#entry<Body>(claim, options.includeUnreachable);
      if (entry) return entry;
    }
    const at = label.lastIndexOf('@');
    if (at <= 0) return undefined;
    const stack = label.slice(at + 1);
    return this.claimants<Body>(kind, label.slice(0, at), options).find((one) =>
      [one.stack, one.stackName].includes(stack),
    );
  }

  /** Records that are stored and not shown. */
  hidden(): HiddenRecord[] {
    return this.#store
      .select({ hidden: true })
      .map(({ kind, name, feed, fault }) => ({ kind, name, stack: feed, why: fault ?? '' }));
  }

  /** How many records there are by kind, how many of them are hidden, and in how many feeds; without reading them. */
  counts(): ReturnType<FeedStore['counts']> {
    return this.#store.counts();
  }

  /** The position after the last change. */
  position(): number {
    return this.#store.lastPosition();
  }

  /** Throws `position-gone` where nobody can follow from there: it is too old, or not reached yet. */
  requirePosition(position: number): void {
    const last = this.position();
    if (position >= this.#store.firstPosition() && position <= last) return;
    const why = position > last ? `the last one is ${last}` : `what came since is forgotten in part`;
    throw new RegistryError(
      'position-gone',
      `Cannot follow from ${position}: ${why}; read all anew and follow from ${last}`,
    );
  }

  /**
   * All records as they are now, those changed first coming first: who stops somewhere goes on by following from the
   * position of the last one. Read one by one; one that changes meanwhile is left out, as it comes to those who follow.
   */
  async *backfill({
    kind,
    where,
    pause,
  }: Pick<FollowOptions, 'kind' | 'where' | 'pause'> = {}): AsyncGenerator<DirectoryChange, void> {
    const factsOf = this.#describer();
    for (const [index, row] of this.#store.places(kind).entries()) {
      if (index % changesAtOnce === changesAtOnce - 1) await pause?.();
      const [record] = this.#store.select({ hidden: false, kind: row.kind, name: row.name, feed: row.feed });
      const claim = record?.position === row.position ? this.#claim(record) : undefined;
      const entry = claim && this.#entry(claim);
      if (!entry || (where && !where.matches(factsOf(entry, where)))) continue;
      yield { position: row.position, kind: row.kind, name: row.name, stack: row.feed, entry };
    }
  }

  /**
   * Changes after a position, for ever: first what is stored, then as it happens, each once and in order. With a filter,
   * a record that doesn't match comes without its entry, as a deletion does, where the reader may hold it.
   * Throws `position-gone` where the position is too old, `too-slow` where the reader can't keep up; ends with the signal.
   */
  async *follow(options: FollowOptions): AsyncGenerator<DirectoryChange, void> {
    const { kind, where, reached, pause, signal } = options;
    const factsOf = this.#describer();
    let position = options.from ?? this.position();
    let caughtUp = false;
    while (!signal.aborted) {
      this.requirePosition(position);
      if (caughtUp && this.position() - position > maxBehind) {
        throw new RegistryError(
          'too-slow',
          `Cannot follow further: the reader is ${this.position() - position} changes behind; follow anew from ${position}`,
        );
      }
      const rows = this.#store.changesAfter(position, changesAtOnce);
      for (const row of rows) {
        position = row.position;
        const change = kind === undefined || kind === row.kind ? this.#change(row) : undefined;
        if (change?.entry && where && !where.matches(factsOf(change.entry, where))) {
          yield { ...change, entry: undefined };
        } else if (change) yield change;
        if (signal.aborted) return;
      }
      reached?.(position);
      if (rows.length > 0) {
        factsOf.forget();
        if (rows.length === changesAtOnce) await pause?.();
        continue;
      }
      caughtUp = true;
      await this.#news.next(signal);
    }
  }

  /** Wakes those who follow; called after each commit that changed records. */
  wake(): void {
    this.#news.wake();
  }

  #change(row: { position: number; feed: string; kind: string; name: string }): DirectoryChange | undefined {
    const { kind, name, feed } = row;
    const record = this.#store.select({ hidden: false, kind, name, feed })[0];
    if (!record && this.#store.select({ hidden: true, kind, name, feed })[0]) return undefined;
    const claim = record && this.#claim(record);
    const entry = claim && this.#entry(claim, true);
    return { position: row.position, kind, name, stack: feed, entry };
  }

  /** All claims of a name in their order. Within a transaction nothing is kept: it may be taken back. */
  #claims(kind: string | KindOf<unknown>, name: string): readonly Claim[] {
    const kindName = typeof kind === 'string' ? kind : kind.name;
    const mayKeep = !this.#store.database.inTransaction;
    const kept = mayKeep ? this.#cache.get(kindName, name) : undefined;
    if (kept) return kept;
    const rows = this.#store.select({ hidden: false, kind: kindName, name });
    const sorted = rows.flatMap((row) => this.#claim(row) ?? []).sort((a, b) => compare(a.rank, b.rank));
    const claims = inSuccession(sorted, () => this.#succession());
    const bodyBytes = rows.reduce((sum, { body }) => sum + body.byteLength, 0);
    if (mayKeep) this.#cache.put(kindName, name, claims, bodyBytes);
    return claims;
  }

  /** The stored record in the shape of its kind; undefined where it has none that can be read. */
  #claim({ kind, name, feed, hash, body, position }: RecordRow): Claim | undefined {
    const parsed = this.#kinds.read(kind, name, body);
    if ('fault' in parsed) return undefined;
    const rank = rankOf(kind, name, feed);
    return { kind, name, stack: feed, rank, body: frozen(parsed.body), hash: toHex(hash), position };
  }

  /** A claim with what its owner is now; undefined where the owner went, or is out of reach and isn't asked for. */
  #entry<Body>(claim: Claim, includeUnreachable = false): Entry<Body> | undefined {
    const { kind, name, stack, hash, position } = claim;
    const owner = this.#ownerOf(stack);
    if (!owner) return undefined;
    const { name: stackName, presence } = owner;
    if (!includeUnreachable && !present.has(presence.state) && !this.#kinds.get(kind)?.outlastsOwner) return undefined;
    return { kind, name, stack, stackName, presence, body: claim.body as Body, hash, position };
  }

  #succession(): Succession {
    const bodies = (kind: Kind): Map<string, unknown> =>
      new Map(
        this.#store
          .select({ kind: kind.name, hidden: false })
          .map(({ feed, name, body }) => [`${feed} ${name}`, kind.schema.safeParse(readValue(body)).data]),
      );
    const adoptions = bodies(adoptionKind);
    const handOffs = bodies(handOffKind) as Map<string, { to: StackId; hash: string } | undefined>;
    return {
      adopted: (by, owner) => adoptions.get(`${by} ${owner}`) !== undefined,
      handedOff: (owner, kind, name) => handOffs.get(`${owner} ${handOffName(kind, name)}`),
    };
  }

  /** Gathers what a filter asks of entries; what stacks say of themselves is read once, until `forget`. */
  #describer(): ((entry: Entry, where: Filter) => Partial<Facts>) & { forget(): void } {
    const known = new Map<StackId, StackBody | undefined>();
    const described = (stack: StackId, name: string): StackBody | undefined => {
      if (!known.has(stack)) {
        const own = this.claimants(stackKind, name, { includeUnreachable: true }).find((one) => one.stack === stack);
        known.set(stack, own?.body);
      }
      return known.get(stack);
    };
    const factsOf = (entry: Entry, where: Filter): Partial<Facts> => {
      const asksOwner = where.uses('labels') || where.uses('site') || where.uses('region');
      const owner = asksOwner ? described(entry.stack, entry.stackName) : undefined;
      const { health, capabilities } = (entry.body ?? {}) as { health?: unknown; capabilities?: unknown };
      return {
        kind: entry.kind,
        name: entry.name,
        stack: entry.stackName,
        stackId: entry.stack,
        site: owner?.site?.name ?? '',
        region: owner?.region ?? '',
        labels: owner?.labels ?? {},
        health: typeof health === 'string' ? health : '',
        capabilities: Array.isArray(capabilities) ? capabilities.filter((one) => typeof one === 'string') : [],
        state: entry.presence.state,
        body: entry.body,
      };
    };
    return Object.assign(factsOf, { forget: () => known.clear() });
  }
}

type StackBody = z.output<typeof stackKind.schema>;

/** Bodies are shared among readers: who would change one changes all, so nobody can. */
function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const each of Object.values(value)) frozen(each);
  return Object.freeze(value);
}
