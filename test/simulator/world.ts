// The simulated world: stacks, wires and time, and what scenarios do to them.
import { createHash } from 'node:crypto';
import { openDatabase, registryMigrations } from '#registry';
import type { ReplicateOptions } from '#registry/replication';
import { gatewaysOf } from '#registry/zones';
import { Machine } from './machine.ts';
import { type Reading, since } from './meter.ts';
import { type Model, Processors, pingBytes, pingEveryMs, placeOf } from './model.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { identitiesOf, nameOf, type Settled, settleMesh, zoneNames } from './settled-mesh.ts';
import { Addresses } from './simulated-network.ts';
import { SimulatedStack } from './simulated-stack.ts';
import type { Weather } from './weather.ts';
import { Wires } from './wires.ts';
import { Witness } from './witness.ts';

export interface WorldOptions {
  readonly stacks: number;
  readonly seed: string;
  readonly model: Model;
  /** Notes that each stack has from before. */
  readonly records: number;
  /** Whether all belong to one mesh from the beginning; else each has a mesh of its own. */
  readonly settled: boolean;
  readonly replicate: Partial<ReplicateOptions>;
  /** Zones that the stacks are parted into, and how many of them run wholly: of the others only their gateways do. */
  readonly zones: number;
  readonly wholeZones: number;
  /** Lines of the trace. */
  readonly trace?: (line: string) => void;
  /** Told now and then how far it is. */
  readonly progress?: (text: string) => void;
}

/** Readings of all stacks at one moment. */
export interface Measure {
  readonly atMs: number;
  readonly readings: readonly Reading[];
}

/** Stacks start within this long, as a fleet is switched on. */
const bootMs = 5_000;
/** How often the states of members and all heads are looked at, of virtual time. */
const glanceMs = 1_000;
const lookEveryMs = 30_000;

export class World implements Disposable {
  readonly options: WorldOptions;
  readonly random: Random;
  readonly scheduler = new Scheduler();
  readonly wires: Wires;
  readonly stacks: SimulatedStack[] = [];
  readonly witness: Witness;
  /** Whether a stack that runs may be shown as down: a partition looks like that from the other side. */
  mayShowDown = false;
  /** Glances at a member that runs, by the state it was shown in. */
  readonly shown = new Map<string, number>();
  readonly warnings = new Map<string, number>();
  readonly byId = new Map<string, SimulatedStack>();
  /** The stacks that speak for their zones while all are up. */
  readonly gateways: ReadonlySet<string>;
  readonly #hash = createHash('sha256');
  #phase = 'calm';

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    const { model, stacks, records, settled, replicate, zones, wholeZones } = options;
    this.wires = new Wires({
      scheduler: this.scheduler,
      model,
      random: this.random.fork('wires'),
      trace: (traffic, from, to, size) => this.trace(`${traffic} ${from} ${to} ${size}`),
    });
    this.witness = new Witness(this.scheduler, this.stacks);
    const names = zoneNames(zones);
    using mesh = settled ? settleMesh(stacks, records, names, this.random.fork('mesh')) : undefined;
    const all: readonly Settled[] =
      mesh?.stacks ?? identitiesOf(stacks, this.random.fork('identities')).map((identity) => ({ identity, zone: '' }));
    const gateways = names.flatMap((zone) => gatewaysIn(zone, all));
    this.gateways = new Set(gateways.map(({ identity }) => identity.stack));
    const running = new Set([...all.filter(({ zone }) => names.indexOf(zone) < wholeZones), ...gateways]);
    const processors = new Processors(model);
    const addresses = new Addresses();
    all.forEach((settledStack, index) => {
      // One that isn't here is in the roster and in the feeds of its zone only.
      if (!running.has(settledStack)) return;
      const { identity, zone } = settledStack;
      const random = this.random.fork(`stack ${index}`);
      const place = placeOf(random);
      const stack = new SimulatedStack({
        identity,
        name: nameOf(index),
        zone,
        machine: new Machine({ index, place, scheduler: this.scheduler, processors, model }),
        database: mesh?.open(zone) ?? openDatabase(':memory:', [registryMigrations]),
        wires: this.wires,
        addresses,
        model,
        random,
        replicate,
        committed: (one) => this.witness.committed(one),
        said: (one, level, fields, message) => this.#said(one, level, fields, message),
      });
      this.stacks.push(stack);
      this.byId.set(stack.id, stack);
      this.witness.admit(stack);
    });
  }

  get weather(): Weather {
    return this.wires.weather;
  }

  get running(): SimulatedStack[] {
    return this.stacks.filter(({ running }) => running);
  }

  /** Whether more than the gateways of that zone are here. */
  isWhole(zone: string): boolean {
    return this.stacks.some((stack) => stack.zone === zone && !this.gateways.has(stack.id));
  }

  /** The hash of all that happened. */
  get digest(): string {
    return this.#hash.copy().digest('hex');
  }

  trace(what: string): void {
    const line = `${this.scheduler.now.toFixed(3)} ${what}\n`;
    this.#hash.update(line);
    this.options.trace?.(line);
  }

  /** What is written from now on is counted under that word. */
  phase(word: string): void {
    this.#phase = word;
    this.trace(`phase ${word}`);
  }

  /** Starts all, each at its own moment, and lets them find one another for so long. */
  async boot(settleMs: number): Promise<void> {
    const random = this.random.fork('boot');
    for (const stack of this.stacks) this.scheduler.at(random.chance() * bootMs, () => stack.start());
    this.scheduler.at(bootMs + glanceMs, () => this.#glance(random));
    this.scheduler.at(lookEveryMs, () => this.#lookAtAll());
    await this.run(bootMs + settleMs);
  }

  /** Lets that much virtual time pass. */
  async run(ms: number): Promise<void> {
    const end = this.scheduler.now + ms;
    while (this.scheduler.now < end) {
      await this.scheduler.runUntil(Math.min(end, this.scheduler.now + glanceMs), () => this.witness.look());
      this.options.progress?.(`${Math.round(this.scheduler.now / 1_000)} s, ${this.scheduler.count} events`);
    }
  }

  /** Writes a note at that stack as soon as its processor has time; an undefined text deletes it. */
  write(stack: SimulatedStack, name: string, text: string | undefined): void {
    const startedAt = this.scheduler.now;
    const phase = this.#phase;
    stack.machine.run(this.options.model.cost.write, () => {
      stack.write(name, text);
      this.witness.wrote(stack, name, text, startedAt, phase);
    });
  }

  kill(stack: SimulatedStack, options: { isHostGone?: boolean } = {}): void {
    this.trace(`kill ${stack.index}`);
    stack.kill(options);
    this.witness.died(stack);
  }

  start(stack: SimulatedStack): void {
    this.trace(`start ${stack.index}`);
    stack.start();
  }

  /** Plans that many changes by random stacks that run then, the next after `everyMs` on average; one in eight deletes. */
  planChanges(count: number, everyMs: number, random: Random): number {
    const written: { readonly stack: SimulatedStack; readonly name: string }[] = [];
    let at = this.scheduler.now;
    for (let index = 0; index < count; index += 1) {
      at += random.exponential(everyMs);
      this.scheduler.at(at, () => {
        const [stack] = random.some(this.running, 1);
        const old = random.chance() < 0.125 ? written.pop() : undefined;
        if (old?.stack.running) this.write(old.stack, old.name, undefined);
        else if (stack) {
          const name = `note-${index}`;
          this.write(stack, name, `text ${index} ${random.below(1e9)} ${'x'.repeat(80)}`);
          written.push({ stack, name });
        }
      });
    }
    return at - this.scheduler.now;
  }

  /** Runs until all agree and nothing is under way; how long that took. A breach where it takes longer than the bound. */
  async settle(boundMs: number, isSettled = (): boolean => true): Promise<number> {
    const begin = this.scheduler.now;
    for (;;) {
      if (this.witness.underWay === 0 && isSettled() && this.witness.agree()) return this.scheduler.now - begin;
      if (this.scheduler.now - begin >= boundMs) break;
      await this.run(glanceMs);
    }
    const what = `${this.witness.underWay} changes under way, heads ${this.witness.agree() ? 'equal' : 'not equal'}`;
    this.witness.breach('eventually', `the mesh did not converge in ${boundMs / 1_000} s: ${what}`);
    return boundMs;
  }

  /** Whether each stack that runs shows each other one that runs as up. */
  allUp(): boolean {
    const { running } = this;
    const zones = new Map(running.map(({ id, zone }) => [id, zone]));
    return running.every((stack) =>
      stack.registry
        .members()
        .every(({ stack: id, liveness }) => zones.get(id) !== stack.zone || liveness.state === 'up'),
    );
  }

  /** What each stack sent and received so far. */
  measure(): Measure {
    return { atMs: this.scheduler.now, readings: this.stacks.map(({ meter }) => meter.read()) };
  }

  /** Bytes and messages a stack and second since then: the mean, and the stack with the most. Pings are counted in. */
  rates(before: Measure, isCounted: (stack: SimulatedStack) => boolean = () => true): Readonly<Record<string, number>> {
    const seconds = (this.scheduler.now - before.atMs) / 1_000;
    const all = this.stacks.flatMap((stack, index) => {
      if (!isCounted(stack)) return [];
      const { meter, connections } = stack;
      const { sent, received } = since(before.readings[index] as Reading, meter.read());
      const pings = (connections * pingBytes * 1_000) / pingEveryMs;
      const one = {
        sentBytes: sent.bytes / seconds + pings,
        receivedBytes: received.bytes / seconds + pings,
        sentMessages: sent.messages / seconds,
        receivedMessages: received.messages / seconds,
      };
      return [one];
    });
    const mean = (read: (one: (typeof all)[number]) => number): number =>
      all.reduce((sum, one) => sum + read(one), 0) / all.length;
    return {
      sentBytesASecond: mean((one) => one.sentBytes),
      sentBytesASecondWorst: Math.max(...all.map((one) => one.sentBytes)),
      receivedBytesASecond: mean((one) => one.receivedBytes),
      receivedBytesASecondWorst: Math.max(...all.map((one) => one.receivedBytes)),
      sentMessagesASecond: mean((one) => one.sentMessages),
      receivedMessagesASecond: mean((one) => one.receivedMessages),
    };
  }

  /** What gossip carried for each change, a stack. */
  perChange(before: Measure, changes: number): Readonly<Record<string, number>> {
    const sum = (read: (reading: Reading) => number): number =>
      this.stacks.reduce(
        (total, { meter }, index) => total + read(since(before.readings[index] as Reading, meter.read())),
        0,
      );
    const share = changes * this.stacks.length;
    return {
      gossipBytesAChange: sum(({ sentBytesFor }) => sentBytesFor['gossip'] ?? 0) / share,
      otherBytesAChange: sum(({ sent, sentBytesFor }) => sent.bytes - (sentBytesFor['gossip'] ?? 0)) / share,
      messagesAChange: sum(({ sent }) => sent.messages) / share,
    };
  }

  [Symbol.dispose](): void {
    for (const stack of this.stacks) stack[Symbol.dispose]();
  }

  #glance(random: Random): void {
    const [stack] = random.some(this.running, 1);
    // A zone watches its own.
    const near = this.stacks.filter(({ zone }) => zone === stack?.zone);
    const states = new Map(near.map(({ id, machine, running }) => [id, running && !machine.isHostGone]));
    for (const { stack: id, name, liveness } of stack?.registry.members() ?? []) {
      if (!states.get(id)) continue;
      const { state, why } = liveness as { state: string; why: string };
      const isExcused = this.byId.get(id)?.machine.wasUnheard === true;
      const shown = isExcused && state !== 'up' ? `${state}, stood still` : state;
      this.shown.set(shown, (this.shown.get(shown) ?? 0) + 1);
      if (state === 'down' && !this.mayShowDown && !isExcused) {
        this.witness.breach('always', `"${stack?.name}" shows "${name}" as down while it runs: ${why}`);
      }
    }
    this.scheduler.at(this.scheduler.now + glanceMs, () => this.#glance(random));
  }

  #lookAtAll(): void {
    if (this.stacks.length <= 64) this.witness.lookAtAll();
    this.scheduler.at(this.scheduler.now + lookEveryMs, () => this.#lookAtAll());
  }

  #said(stack: SimulatedStack, level: 'warn' | 'error', fields: object, message: string): void {
    this.warnings.set(message, (this.warnings.get(message) ?? 0) + 1);
    if (level !== 'error') return;
    const { error } = fields as { error?: unknown };
    this.witness.breach(
      'always',
      `"${stack.name}" logged an error: ${message}: ${error instanceof Error ? error.stack : JSON.stringify(fields)}`,
    );
  }
}

/** The stacks that speak for a zone while all of it is up. */
function gatewaysIn(zone: string, all: readonly Settled[]): Settled[] {
  const near = all.filter((each) => each.zone === zone);
  const gateways = new Set(
    gatewaysOf(
      zone,
      near.map(({ identity }) => identity.stack),
    ),
  );
  return near.filter(({ identity }) => gateways.has(identity.stack));
}
