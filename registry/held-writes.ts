// Writes of a stack that starts: kept and seen here at once, but under no head yet. The rows then run ahead of the head, and
// step back to it whenever the feed itself is touched.
import { type Applied, type Change, type FeedStore, recordHash, recordKey } from '#registry/feeds';
import type { HeldStore } from '#registry/replication';
import type { StackId } from './network.ts';

export interface HeldParts {
  readonly self: StackId;
  readonly store: FeedStore;
  readonly held: HeldStore;
  /** Why a record is hidden. */
  readonly faultOf: (feed: string, change: Change) => string | undefined;
}

export class HeldWrites {
  readonly #parts: HeldParts;

  constructor(parts: HeldParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#parts.held.all().length;
  }

  /** What was written, one change a record. */
  changes(): Change[] {
    return this.#parts.held.all().map(({ kind, name, body }) => ({ kind, name, body }));
  }

  /** Keeps writes and shows them, in the open transaction. */
  add(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#parts.held.put({ ...change, base: this.#bodyOf(change) });
      this.#put(change);
    }
  }

  /** Rows as the head has them, in the open transaction. */
  stepBack(): void {
    for (const { kind, name, base } of this.#parts.held.all()) this.#put({ kind, name, body: base });
  }

  /** Rows as they were written, in the open transaction. */
  stepForward(): void {
    for (const { kind, name, body } of this.#parts.held.all()) this.#put({ kind, name, body });
  }

  /** Applies something of the own feed that came from others, under what was written. */
  under(apply: () => Applied): Applied {
    const { held, store } = this.#parts;
    return store.database.transaction(() => {
      this.stepBack();
      const outcome = apply();
      if (outcome === 'applied') held.setEpochDue(true);
      for (const { kind, name } of held.all()) held.setBase(kind, name, this.#bodyOf({ kind, name }));
      this.stepForward();
      return outcome;
    });
  }

  /** Nothing is held any more, in the open transaction. */
  clear(): void {
    this.#parts.held.clear();
  }

  get isEpochDue(): boolean {
    return this.#parts.held.isEpochDue();
  }

  epochBegan(): void {
    this.#parts.held.setEpochDue(false);
  }

  #bodyOf({ kind, name }: Pick<Change, 'kind' | 'name'>): Uint8Array | null {
    const { store, self } = this.#parts;
    return store.record(self, recordKey(kind, name))?.body ?? null;
  }

  #put(change: Change): void {
    const { store, self, faultOf } = this.#parts;
    const { kind, name, body } = change;
    const key = recordKey(kind, name);
    if (body) store.putRecord(self, { kind, name, body, key, hash: recordHash(body) }, faultOf(self, change));
    else store.removeRecord(self, key);
  }
}
