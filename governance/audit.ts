// Who asked for what and what came of it, chained by hashes, so that a changed, missing or reordered entry is found.
import { createHash } from 'node:crypto';
import { canonicalJson as canonicalJsonOf } from '#manifests';
import type { Database } from '#registry';
import { GovernanceError } from './errors.ts';
import { type AuditRow, makeStore } from './store.ts';

export interface AuditEntry {
  /** From 1, without gaps. */
  readonly sequence: number;
  /** RFC 3339, in UTC. */
  readonly at: string;
  /** `name@stack`. */
  readonly principal: string;
  readonly operation: string;
  /** `allowed` and `denied` are verdicts; `done` and `failed` are what came of what was allowed. */
  readonly outcome: 'allowed' | 'denied' | 'failed' | 'done';
  /** SHA-256 over the canonical JSON of the input, its secrets left out; hex. */
  readonly inputDigest: string;
  /** The rule of the verdict. */
  readonly rule: string;
  /** The hash of the entry before; of the first, SHA-256 of the stack's id, so that one log can't stand for another's. */
  readonly previous: string;
  /** SHA-256 over the canonical JSON (RFC 8785) of all of the above; hex. */
  readonly hash: string;
}

/** Where a log ended at some time; known elsewhere, it makes a later cut or rewrite visible. */
export interface AuditHead {
  /** 0: there is no entry yet. */
  readonly sequence: number;
  readonly hash: string;
}

export type AuditCheck =
  | { readonly intact: true; readonly head: AuditHead }
  | {
      readonly intact: false;
      /** The first entry that is broken. */
      readonly sequence: number;
      readonly reason: 'changed' | 'missing' | 'unchained' | 'rewritten';
    };

export interface AuditOptions {
  readonly database: Database;
  /** The id of the stack whose log it is. */
  readonly stack: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export const maxAuditPage = 500;

type NewEntry = Pick<AuditEntry, 'principal' | 'operation' | 'outcome' | 'inputDigest' | 'rule'>;

export class Audit {
  readonly #now: () => number;
  readonly #store: ReturnType<typeof makeStore>;
  readonly #root: string;

  /** The migrations of governance have been carried out on the database. */
  constructor({ database, stack, now }: AuditOptions) {
    this.#now = now;
    this.#store = makeStore(database);
    this.#root = sha256(stack);
  }

  /** Appends an entry as part of the caller's transaction: rolled back with it. */
  append({ principal, operation, outcome, inputDigest: digest, rule }: NewEntry): AuditEntry {
    const head = this.head();
    const content = {
      sequence: head.sequence + 1,
      at: new Date(this.#now()).toISOString(),
      principal,
      operation,
      outcome,
      inputDigest: digest,
      rule,
      previous: head.hash,
    };
    const body = canonicalJson(content);
    const hash = sha256(body);
    this.#store.appendAudit({ sequence: content.sequence, body, hash });
    return { ...content, hash };
  }

  head(): AuditHead {
    const last = this.#store.lastAudit();
    return last ? { sequence: last.sequence, hash: last.hash } : { sequence: 0, hash: this.#root };
  }

  /** The entries after a sequence (0: from the first), oldest first, at most `limit` (500) of them. */
  read(since: number, limit: number = maxAuditPage): readonly AuditEntry[] {
    return this.#store.auditAfter(since, Math.min(limit, maxAuditPage)).map(entryOf);
  }

  /**
   * Walks the whole chain and names the first entry that is broken: `changed` (its hash doesn't fit), `missing` (a gap),
   * `unchained` (it doesn't follow the one before). Given a head known from before, also a cut of the end (`missing`), and a
   * log that was rewritten with hashes that fit (`rewritten`).
   */
  verify(known?: AuditHead): AuditCheck {
    let head: AuditHead = { sequence: 0, hash: this.#root };
    if (known?.sequence === 0 && known.hash !== head.hash) return broken(1, 'rewritten');
    for (;;) {
      const rows = this.#store.auditAfter(head.sequence, maxAuditPage);
      for (const row of rows) {
        const reason = faultOf(row, head);
        if (reason) return broken(reason === 'missing' ? head.sequence + 1 : row.sequence, reason);
        if (row.sequence === known?.sequence && row.hash !== known.hash) return broken(row.sequence, 'rewritten');
        head = { sequence: row.sequence, hash: row.hash };
      }
      if (rows.length < maxAuditPage) break;
    }
    if (known && head.sequence < known.sequence) return broken(head.sequence + 1, 'missing');
    return { intact: true, head };
  }
}

/** The digest that an entry names; the values of secret keys don't enter it, since a short secret can be guessed from a digest. */
export function inputDigest(input: Readonly<Record<string, unknown>>, secretKeys: readonly string[] = []): string {
  const shown = Object.entries(input).map(([key, value]) => [key, secretKeys.includes(key) ? null : value]);
  return sha256(canonicalJson(Object.fromEntries(shown)));
}

function faultOf(row: AuditRow, before: AuditHead): 'changed' | 'missing' | 'unchained' | undefined {
  if (row.sequence !== before.sequence + 1) return 'missing';
  if (sha256(row.body) !== row.hash) return 'changed';
  let content: Partial<AuditEntry>;
  try {
    content = JSON.parse(row.body) as Partial<AuditEntry>;
  } catch {
    return 'changed';
  }
  if (content.sequence !== row.sequence) return 'changed';
  return content.previous === before.hash ? undefined : 'unchained';
}

function entryOf({ body, hash }: AuditRow): AuditEntry {
  return { ...(JSON.parse(body) as Omit<AuditEntry, 'hash'>), hash };
}

function broken(sequence: number, reason: 'changed' | 'missing' | 'unchained' | 'rewritten'): AuditCheck {
  return { intact: false, sequence, reason };
}

/** RFC 8785. */
function canonicalJson(value: unknown): string {
  try {
    return canonicalJsonOf(value);
  } catch (cause) {
    throw new GovernanceError('not-json', 'A value has no canonical JSON', { cause });
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
