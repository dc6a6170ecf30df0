// Reading the registry: lists, names and their order, and following changes from a position. Every read is local.
import type { z } from 'zod';
import type { FeedStore, RecordRow } from '#registry/feeds';
import type { Presence } from '#registry/liveness';
import { isStackId } from '../identity.ts';
import { adoptionKind, handOffKind, type Kind, type Kinds } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { Wakeup } from '../wakeup.ts';
import { readValue, sha256, toBytes, toHex } from '../wire.ts';
import { handOffName, inSuccession, type Succession } from './succession.ts';

/** One record as readers see it; `body` has the shape of its kind. */
export interface Entry<Body = unknown> {
  readonly kind: string;
  readonly name: string;
  /** The stack that owns it, and its name in the mesh. */
  readonly stack: StackId;
  readonly stackName: string;
  readonly presence: Presence;
  readonly body: Body;
  /** SHA-256 of the stored bytes, in hex. */
  readonly hash: string;
  readonly position: number;
}

/** A change at a position: `entry` is the record as it is now, undefined where it is gone. */
export interface DirectoryChange {
  readonly position: number;
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  readonly entry: Entry | undefined;
}

/** A record that is kept under its feed's root but not shown, and why. */
export interface HiddenRecord {
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  readonly why: string;
}

export interface ReadOptions {
  /** Records of unreachable stacks too. */
  readonly includeUnreachable?: boolean;
}

type KindOf<Body> = Kind<z.ZodType<Body>>;

/** What the directory asks of the roster and of liveness; undefined for a stack that isn't a member any more. */
export type OwnerOf = (stack: StackId) => { readonly name: string; readonly presence: Presence } | undefined;

/** A reader that is further behind than this, once it had caught up, is cut: two whole feeds at once. */
const maxBehind = 20_000;
const changesAtOnce = 500;

export class Directory {
  readonly #store: FeedStore;
  readonly #kinds: Kinds;
  readonly #ownerOf: OwnerOf;
  readonly #news = new Wakeup();

  constructor(store: FeedStore, kinds: Kinds, ownerOf: OwnerOf) {
    this.#store = store;
    this.#kinds = kinds;
    this.#ownerOf = ownerOf;
  }

  /** All records that match, by kind, name and then order of resolution; `stack` is a stack's name or id. */
  list<Body = unknown>(
    filter: ReadOptions & { kind?: string | KindOf<Body>; name?: string; stack?: string } = {},
  ): Entry<Body>[] {
    const kind = typeof filter.kind === 'object' ? filter.kind.name : filter.kind;
    const rows = this.#store.select({
      hidden: false,
      ...(kind !== undefined && { kind }),
      ...(filter.name !== undefined && { name: filter.name }),
      ...(filter.stack !== undefined && isStackId(filter.stack) && { feed: filter.stack }),
    });
    const sorted = rows
      .flatMap((row) => this.#entry<Body>(row) ?? [])
      .filter((entry) => filter.includeUnreachable || this.#isPresent(entry))
      .filter((entry) => filter.stack === undefined || [entry.stack, entry.stackName].includes(filter.stack))
      .sort((a, b) => compare(a.kind, b.kind) || compare(a.name, b.name) || compare(rank(a), rank(b)));
    return inSuccession(sorted, () => this.#succession());
  }

  /** Who claims a name, first the one that the bare name means. */
  claimants<Body = unknown>(kind: string | KindOf<Body>, name: string, options: ReadOptions = {}): Entry<Body>[] {
    return this.list({ ...options, kind, name });
  }

  /**
   * The record that a label means: `name`, or `name@stack` with a stack's name or id. Among several claimants it is the
   * one with the lowest SHA-256 over kind, name and stack id, on every stack alike.
   */
  get<Body = unknown>(kind: string | KindOf<Body>, label: string, options: ReadOptions = {}): Entry<Body> | undefined {
    const bare = this.claimants<Body>(kind, label, options)[0];
    const at = label.lastIndexOf('@');
    if (bare || at <= 0) return bare;
    return this.list<Body>({ ...options, kind, name: label.slice(0, at), stack: label.slice(at + 1) })[0];
  }

  /** Records that are stored and not shown. */
  hidden(): HiddenRecord[] {
    return this.#store
      .select({ hidden: true })
      .map(({ kind, name, feed, fault }) => ({ kind, name, stack: feed, why: fault ?? '' }));
  }

  /** The position after the last change. */
  position(): number {
    return this.#store.lastPosition();
  }

  /**
   * Changes after a position (from now on, where there is none), for ever: first what is stored, then as it happens.
   * Throws `position-gone` where the position is too old, `too-slow` where the reader can't keep up; ends with the signal.
   */
  async *follow({ from, signal }: { from?: number; signal: AbortSignal }): AsyncGenerator<DirectoryChange, void> {
    let position = from ?? this.position();
    let caughtUp = false;
    while (!signal.aborted) {
      if (position < this.#store.firstPosition()) {
        throw new RegistryError(
          'position-gone',
          `Cannot follow from ${position}: read all and follow from ${this.position()}`,
        );
      }
      if (caughtUp && this.position() - position > maxBehind) {
        throw new RegistryError(
          'too-slow',
          `Cannot follow further: the reader is ${this.position() - position} changes behind`,
        );
      }
      const rows = this.#store.changesAfter(position, changesAtOnce);
      for (const row of rows) {
        position = row.position;
        const change = this.#change(row);
        if (change) yield change;
        if (signal.aborted) return;
      }
      if (rows.length > 0) continue;
      caughtUp = true;
      await this.#news.next(signal);
    }
  }

  /** Wakes those who follow; called after each commit that changed records. */
  wake(): void {
    this.#news.wake();
  }

  #change(row: { position: number; feed: string; kind: string; name: string }): DirectoryChange | undefined {
    const record = this.#store.select({ hidden: false, kind: row.kind, name: row.name, feed: row.feed })[0];
    const hidden = !record && this.#store.select({ hidden: true, kind: row.kind, name: row.name, feed: row.feed })[0];
    if (hidden) return undefined;
    const entry = record && this.#entry(record);
    return { position: row.position, kind: row.kind, name: row.name, stack: row.feed, entry };
  }

  #entry<Body>(row: RecordRow): Entry<Body> | undefined {
    const owner = this.#ownerOf(row.feed);
    const parsed = this.#kinds.read(row.kind, row.name, row.body);
    if (!owner || 'fault' in parsed) return undefined;
    return {
      kind: row.kind,
      name: row.name,
      stack: row.feed,
      stackName: owner.name,
      presence: owner.presence,
      body: parsed.body as Body,
      hash: toHex(row.hash),
      position: row.position,
    };
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

  #isPresent(entry: Entry): boolean {
    return entry.presence.state === 'up' || this.#kinds.get(entry.kind)?.outlastsOwner === true;
  }
}

function rank({ kind, name, stack }: Entry): string {
  return toHex(sha256(toBytes([kind, name, stack])));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
