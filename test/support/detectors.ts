// Detectors of one mesh in virtual time, joined by a wire that a test bends.
import assert from 'node:assert/strict';
import type { Identity } from '#registry';
import { Detector, type LivenessDeed } from '../../registry/liveness/detector.ts';
import { identityOf } from './constellation.ts';

export const mesh = 'a'.repeat(64);
export const stepMs = 100;

/** Detectors of one mesh; each hears what the others publish as long as both can reach one another, and pings are answered. */
export class Sky {
  now = 0;
  readonly identities: readonly Identity[];
  readonly stacks: readonly string[];
  readonly detectors = new Map<string, Detector>();
  /** Killed ones answer nothing and dialling them fails; frozen ones hold connections and answer nothing. */
  readonly killed = new Set<string>();
  readonly frozen = new Set<string>();
  /** One-way losses, as `from to`. */
  readonly lost = new Set<string>();
  readonly published: { from: string; at: number; message: Uint8Array }[] = [];
  readonly pings: { from: string; to: string; at: number }[] = [];
  readonly linked = new Set<string>();
  readonly shown: { at: number; by: string; stack: string; state: string }[] = [];

  constructor(size: number) {
    this.identities = Array.from({ length: size }, (_, at) => identityOf(`stack ${at}`));
    this.stacks = this.identities.map(({ stack }) => stack);
    for (const identity of this.identities) this.start(identity, 0);
    for (const one of this.stacks) for (const other of this.stacks) if (one < other) this.link(one, other);
  }

  start(identity: Identity, incarnation: number): Detector {
    const detector = new Detector({ identity, incarnation, wall: () => this.now }, this.now);
    this.detectors.set(identity.stack, detector);
    this.do(identity.stack, detector.setRoster({ mesh, digest: 'roster', members: this.stacks }, this.now));
    return detector;
  }

  at(index: number): Detector {
    return this.of(this.stacks[index] ?? '');
  }

  of(stack: string): Detector {
    const detector = this.detectors.get(stack);
    assert.ok(detector);
    return detector;
  }

  state(by: number, stack: number): string {
    return this.at(by).presence(this.stacks[stack] ?? '').state;
  }

  /** What all but these show of a stack, each state once. */
  states(stack: number, ...but: readonly number[]): string[] {
    const others = this.stacks.map((_, at) => at).filter((at) => at !== stack && !but.includes(at));
    return [...new Set(others.map((at) => this.state(at, stack)))].sort();
  }

  link(one: string, other: string): void {
    this.linked.add(`${one} ${other}`).add(`${other} ${one}`);
    this.do(one, this.of(one).connected(other, this.now));
    this.do(other, this.of(other).connected(one, this.now));
    this.exchange(one, other);
  }

  /** Both get what they lack, as in a round of anti-entropy. */
  exchange(one: string, other: string): void {
    if (!this.answers(one, other)) return;
    const [here, there] = [this.of(one), this.of(other)];
    const { give, want } = here.ledger.compare(there.ledger.names(this.now), this.now);
    this.do(one, here.claims(there.ledger.claims(want, this.now), this.now).deeds);
    this.do(other, there.claims(give, this.now).deeds);
  }

  unlink(one: string, other: string): void {
    if (!this.linked.delete(`${one} ${other}`)) return;
    this.linked.delete(`${other} ${one}`);
    if (this.runs(one)) this.do(one, this.of(one).disconnected(other, this.now));
    if (this.runs(other)) this.do(other, this.of(other).disconnected(one, this.now));
  }

  kill(index: number): void {
    const stack = this.stacks[index] ?? '';
    this.killed.add(stack);
    for (const other of this.stacks) {
      this.unlink(stack, other);
      if (this.runs(other)) this.do(other, this.of(other).unreached(stack, 'refused', this.now));
    }
  }

  freeze(index: number): void {
    this.frozen.add(this.stacks[index] ?? '');
  }

  /** All that goes from these to those is lost, with the connection still there. */
  silence(from: readonly number[], to: readonly number[]): void {
    for (const one of from) for (const other of to) this.lost.add(`${this.stacks[one]} ${this.stacks[other]}`);
  }

  runs(stack: string): boolean {
    return !this.killed.has(stack) && !this.frozen.has(stack);
  }

  carries(from: string, to: string): boolean {
    return this.runs(from) && this.runs(to) && this.linked.has(`${from} ${to}`) && !this.lost.has(`${from} ${to}`);
  }

  /** Both directions, as TCP needs. */
  answers(from: string, to: string): boolean {
    return this.carries(from, to) && this.carries(to, from);
  }

  do(stack: string, deeds: readonly LivenessDeed[]): void {
    for (const deed of deeds) {
      if (deed.type === 'publish') {
        this.published.push({ from: stack, at: this.now, message: deed.message });
        this.flood(stack, deed.message, new Set([stack]));
      } else if (deed.type === 'ping') {
        this.pings.push({ from: stack, to: deed.stack, at: this.now });
        if (this.carries(stack, deed.stack)) this.do(deed.stack, this.of(deed.stack).heard(stack, this.now));
        if (this.answers(stack, deed.stack)) this.do(stack, this.of(stack).heard(deed.stack, this.now));
      } else if (deed.type === 'exchange') this.exchange(stack, deed.with);
      else if (deed.type === 'break') this.unlink(stack, deed.stack);
      else if (deed.type === 'presence') {
        for (const each of deed.stacks) {
          this.shown.push({ at: this.now, by: stack, stack: each, state: this.of(stack).presence(each).state });
        }
      }
    }
  }

  /** From neighbour to neighbour, as gossip does. */
  flood(from: string, message: Uint8Array, known: Set<string>): void {
    for (const to of this.stacks) {
      if (known.has(to) || !this.carries(from, to)) continue;
      known.add(to);
      const { verdict, deeds } = this.of(to).message(message, this.now);
      assert.notEqual(verdict, 'reject');
      this.do(to, deeds);
      if (verdict === 'accept') this.flood(to, message, known);
    }
  }

  /** Lets time pass; `lateMs` is how late the timers of each stack come. */
  pass(ms: number, lateMs: (stack: string) => number = () => 0): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += stepMs;
      for (const stack of this.stacks) {
        if (this.runs(stack)) this.do(stack, this.of(stack).tick(this.now, lateMs(stack)));
      }
    }
  }
}
