// Sees everything and touches nothing: what each owner signed, what each reader holds, how long changes take, and what may never be.
import { createHash } from 'node:crypto';
import type { Scheduler } from './scheduler.ts';
import { noteKind } from './settled-mesh.ts';
import type { SimulatedStack } from './simulated-stack.ts';

/** One change on its way; times are milliseconds of the simulation. */
export interface Change {
  readonly owner: SimulatedStack;
  readonly name: string;
  readonly text: string | undefined;
  readonly counter: number;
  readonly sequence: number;
  readonly writtenAt: number;
  /** What went on when it was written, such as `calm`. */
  readonly phase: string;
  /** Those that don't have it yet. */
  readonly waiting: Set<SimulatedStack>;
  firstAt: number | undefined;
  lastAt: number;
}

export interface Violation {
  readonly kind: 'always' | 'eventually' | 'at-the-end';
  readonly what: string;
  readonly atMs: number;
}

interface Head {
  readonly feed: string;
  readonly counter: number;
  readonly sequence: number;
  readonly hash: string;
}

const headColumns = 'SELECT feed, counter, sequence, lower(hex(hash)) AS hash FROM registry_head';
/** Violations that are kept: the first says most. */
const maxViolations = 20;

export class Witness {
  readonly done: Change[] = [];
  readonly violations: Violation[] = [];
  readonly #scheduler: Scheduler;
  readonly #stacks: readonly SimulatedStack[];
  readonly #byId = new Map<string, SimulatedStack>();
  /** Hashes of all heads that an owner ever made durable, with their places. */
  readonly #signed = new Map<string, Map<string, string>>();
  /** The furthest that a reader had of a feed. */
  readonly #furthest = new Map<SimulatedStack, Map<string, Head>>();
  readonly #underWay = new Map<string, Set<Change>>();
  readonly #dirty = new Set<SimulatedStack>();
  readonly #commits = new Map<SimulatedStack, number>();
  readonly #digests = new Map<SimulatedStack, { readonly commits: number; readonly digest: string }>();
  readonly #expected = new Map<string, string | undefined>();

  constructor(scheduler: Scheduler, stacks: readonly SimulatedStack[]) {
    this.#scheduler = scheduler;
    this.#stacks = stacks;
  }

  get underWay(): number {
    return [...this.#underWay.values()].reduce((sum, changes) => sum + changes.size, 0);
  }

  /** Takes what a stack holds now as given: what its database had before it was first started. */
  admit(stack: SimulatedStack): void {
    this.#byId.set(stack.id, stack);
    const own = this.#headOf(stack, stack.id);
    this.#signed.set(stack.id, new Map(own && [[placeOf(own), own.hash]]));
    this.#furthest.set(stack, new Map());
  }

  /** A transaction of that stack is durable. */
  committed(stack: SimulatedStack): void {
    this.#commits.set(stack, (this.#commits.get(stack) ?? 0) + 1);
    this.#dirty.add(stack);
    const own = this.#headOf(stack, stack.id);
    const signed = this.#signed.get(stack.id);
    if (!own || !signed) return;
    const known = signed.get(placeOf(own));
    if (known !== undefined && known !== own.hash)
      this.breach('always', `"${stack.name}" signed two heads for one place`);
    signed.set(placeOf(own), own.hash);
  }

  /** A change was just written by that stack; all others that run are waited for. */
  wrote(owner: SimulatedStack, name: string, text: string | undefined, startedAt: number, phase: string): void {
    const own = this.#headOf(owner, owner.id);
    if (!own) return;
    this.#expected.set(`${owner.id} ${name}`, text);
    const waiting = new Set(
      this.#stacks.filter((stack) => stack !== owner && stack.running && stack.zone === owner.zone),
    );
    const { counter, sequence } = own;
    const change = { owner, name, text, counter, sequence, writtenAt: startedAt, phase, waiting };
    const all = this.#underWay.get(owner.id) ?? new Set();
    this.#underWay.set(owner.id, all.add({ ...change, firstAt: undefined, lastAt: startedAt }));
  }

  /** A stack died: nobody waits for it, and what only it had may be gone. */
  died(stack: SimulatedStack): void {
    for (const changes of this.#underWay.values()) {
      for (const change of changes) {
        change.waiting.delete(stack);
        this.#finishWhereDone(change);
      }
    }
  }

  /** Called when an event has come to rest: looks at the stacks that committed something. */
  look(): void {
    for (const stack of this.#dirty) {
      for (const [feed, changes] of this.#underWay) {
        const isAwaited = [...changes].some(({ waiting }) => waiting.has(stack));
        const head = isAwaited && this.#headOf(stack, feed);
        if (!head) continue;
        this.#judge(stack, head);
        for (const change of changes) {
          if (isAtLeast(head, change) && change.waiting.delete(stack)) this.#reached(change, stack);
        }
      }
    }
    this.#dirty.clear();
  }

  /** Judges every feed at every stack that runs. */
  lookAtAll(): void {
    for (const stack of this.#stacks) {
      if (stack.running) for (const head of this.#heads(stack)) this.#judge(stack, head);
    }
  }

  /** Whether all stacks of a zone that run hold the same heads. */
  agree(): boolean {
    return [...this.#zones().values()].every((stacks) => new Set(stacks.map((one) => this.#digestOf(one))).size === 1);
  }

  /** What must be so at the end: all records everywhere as their owners wrote them, none hidden, nobody quarantined. */
  conclude(): void {
    this.lookAtAll();
    for (const stacks of this.#zones().values()) this.#concludeZone(stacks);
  }

  #concludeZone(running: readonly SimulatedStack[]): void {
    const [first] = running;
    if (!first) return;
    const all = new Set(running.map((stack) => recordsOf(stack)));
    if (all.size > 1) this.breach('at-the-end', `the records differ between stacks: ${all.size} versions`);
    for (const stack of running) {
      const hidden = stack.database.prepare('SELECT 1 FROM registry_record WHERE fault IS NOT NULL').all().length;
      if (hidden > 0) this.breach('at-the-end', `"${stack.name}" hides ${hidden} records`);
      const quarantined = stack.registry.quarantined();
      if (quarantined.length > 0) this.breach('at-the-end', `"${stack.name}" quarantined ${quarantined.join(', ')}`);
    }
    const read = first.database.prepare<{ body: Uint8Array }>(
      'SELECT body FROM registry_record WHERE feed = ? AND kind = ? AND name = ?',
    );
    for (const [place, text] of this.#expected) {
      const [feed = '', name = ''] = place.split(' ');
      if (this.#byId.get(feed)?.zone !== first.zone) continue;
      const row = read.get(feed, noteKind.name, name);
      const isRight = text === undefined ? row === undefined : row && Buffer.from(row.body).includes(text);
      if (!isRight) {
        const what = text === undefined ? 'was deleted and is back' : 'is lost';
        this.breach('at-the-end', `the note "${name}" of "${this.#byId.get(feed)?.name}" ${what}`);
      }
    }
  }

  breach(kind: Violation['kind'], what: string): void {
    if (this.violations.length < maxViolations) this.violations.push({ kind, what, atMs: this.#scheduler.now });
  }

  /** Only what its owner signed is believed, and within a reader nothing goes back. */
  #judge(stack: SimulatedStack, head: Head): void {
    const signed = this.#signed.get(head.feed);
    // Of stacks that are in the roster only what is there from before is right.
    if (!signed) return;
    const owner = this.#byId.get(head.feed)?.name ?? head.feed;
    if (signed.get(placeOf(head)) !== head.hash) {
      this.breach('always', `"${stack.name}" holds a head of "${owner}" at ${placeOf(head)} that it never made`);
    }
    const feeds = this.#furthest.get(stack);
    const before = feeds?.get(head.feed);
    if (before && !isAtLeast(head, before)) {
      this.breach(
        'always',
        `"${stack.name}" went back in the feed of "${owner}": ${placeOf(before)} to ${placeOf(head)}`,
      );
    }
    feeds?.set(head.feed, head);
  }

  #zones(): Map<string, SimulatedStack[]> {
    return Map.groupBy(
      this.#stacks.filter(({ running }) => running),
      ({ zone }) => zone,
    );
  }

  #reached(change: Change, stack: SimulatedStack): void {
    const at = stack.machine.free;
    change.firstAt = Math.min(change.firstAt ?? at, at);
    change.lastAt = Math.max(change.lastAt, at);
    if (change.text === undefined) {
      const left = stack.database
        .prepare('SELECT 1 FROM registry_record WHERE feed = ? AND kind = ? AND name = ?')
        .get(change.owner.id, noteKind.name, change.name);
      // A later write of the same name may stand there already.
      if (left && this.#expected.get(`${change.owner.id} ${change.name}`) === undefined) {
        this.breach('always', `"${stack.name}" shows "${change.name}", which was deleted`);
      }
    }
    this.#finishWhereDone(change);
  }

  #finishWhereDone(change: Change): void {
    if (change.waiting.size > 0) return;
    const changes = this.#underWay.get(change.owner.id);
    changes?.delete(change);
    if (changes?.size === 0) this.#underWay.delete(change.owner.id);
    if (change.firstAt !== undefined) this.done.push(change);
  }

  #digestOf(stack: SimulatedStack): string {
    const commits = this.#commits.get(stack) ?? 0;
    const known = this.#digests.get(stack);
    if (known?.commits === commits) return known.digest;
    const hash = createHash('sha256');
    for (const head of this.#heads(stack)) hash.update(`${head.feed} ${placeOf(head)} ${head.hash}\n`);
    const digest = hash.digest('hex');
    this.#digests.set(stack, { commits, digest });
    return digest;
  }

  #heads(stack: SimulatedStack): Head[] {
    return stack.database.prepare<Head>(`${headColumns} ORDER BY feed`).all();
  }

  #headOf(stack: SimulatedStack, feed: string): Head | undefined {
    return this.#statementOf(stack).get(feed);
  }

  readonly #statements = new Map<SimulatedStack, ReturnType<SimulatedStack['database']['prepare']>>();

  #statementOf(stack: SimulatedStack): { get(feed: string): Head | undefined } {
    const known = this.#statements.get(stack) ?? stack.database.prepare(`${headColumns} WHERE feed = ?`);
    this.#statements.set(stack, known);
    return known as { get(feed: string): Head | undefined };
  }
}

function placeOf({ counter, sequence }: Pick<Head, 'counter' | 'sequence'>): string {
  return `${counter}/${sequence}`;
}

function isAtLeast(one: Pick<Head, 'counter' | 'sequence'>, other: Pick<Head, 'counter' | 'sequence'>): boolean {
  return one.counter > other.counter || (one.counter === other.counter && one.sequence >= other.sequence);
}

function recordsOf(stack: SimulatedStack): string {
  const hash = createHash('sha256');
  const rows = stack.database
    .prepare<{ feed: string; key: Uint8Array; body: Uint8Array }>(
      'SELECT feed, key, body FROM registry_record ORDER BY feed, key',
    )
    .all();
  for (const { feed, key, body } of rows) hash.update(feed).update(key).update(body);
  return hash.digest('hex');
}
