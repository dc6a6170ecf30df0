// One stack of the simulation: the shipped registry on a database in memory, which outlives the lives that the machine has.
import type { Database, Identity, Log, Registry } from '#registry';
import type { ReplicateOptions } from '#registry/replication';
// Not by the door, which loads it when it is called: reading modules takes real time.
import { openRegistry } from '../../registry/registry.ts';
import type { Machine } from './machine.ts';
import { Meter } from './meter.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';
import { noteKind } from './settled-mesh.ts';
import { type Addresses, SimulatedNetwork } from './simulated-network.ts';
import type { Wires } from './wires.ts';

export interface StackParts {
  readonly identity: Identity;
  readonly name: string;
  /** The zone that it was admitted to. */
  readonly zone: string;
  readonly machine: Machine;
  readonly database: Database;
  readonly wires: Wires;
  readonly addresses: Addresses;
  readonly model: Model;
  readonly random: Random;
  readonly replicate: Partial<ReplicateOptions>;
  /** A transaction of this stack is durable. */
  readonly committed: (stack: SimulatedStack) => void;
  /** What the registry logs as a warning or an error. */
  readonly said: (stack: SimulatedStack, level: 'warn' | 'error', fields: object, message: string) => void;
}

export class SimulatedStack {
  readonly index: number;
  readonly identity: Identity;
  readonly name: string;
  readonly zone: string;
  readonly machine: Machine;
  readonly meter = new Meter();
  readonly database: Database;
  readonly #parts: StackParts;
  #registry: Registry | undefined;
  #network: SimulatedNetwork | undefined;

  constructor(parts: StackParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.name = parts.name;
    this.zone = parts.zone;
    this.machine = parts.machine;
    this.index = parts.machine.index;
    this.database = parts.database;
  }

  get id(): string {
    return this.identity.stack;
  }

  get running(): boolean {
    return this.machine.running;
  }

  /** Throws where the stack doesn't run. */
  get registry(): Registry {
    if (!this.#registry) throw new Error(`The stack "${this.name}" does not run`);
    return this.#registry;
  }

  get connections(): number {
    return this.#network?.connected().length ?? 0;
  }

  start(): void {
    if (this.running) return;
    const { identity, machine, wires, addresses, name, random, replicate, said } = this.#parts;
    machine.start();
    const network = new SimulatedNetwork(identity.stack, machine, this.meter, wires, addresses);
    this.#network = network;
    const log: Log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields, message) => said(this, 'warn', fields, message),
      error: (fields, message) => said(this, 'error', fields, message),
    };
    const chance = random.fork(`life ${machine.life}`);
    const options = { identity, name, network, log, replicate, kinds: [noteKind], mayStand: () => undefined };
    const own = { database: this.#metered(), clock: machine.clock(), random: (size: number) => chance.bytes(size) };
    wires.scheduler.touch();
    openRegistry({ ...options, ...own }).then(
      (registry) => {
        this.#registry = registry;
      },
      (error: unknown) => said(this, 'error', { error }, 'it did not start'),
    );
  }

  /** Ends as `kill -9` does, or with the whole host, whose kernel then says nothing either. */
  kill({ isHostGone = false } = {}): void {
    if (!this.running) return;
    this.machine.stop({ isHostGone });
    this.#network?.vanish({ isHostGone });
    const registry = this.#registry;
    this.#registry = undefined;
    this.#network = undefined;
    this.#parts.wires.scheduler.touch();
    // Frees its memory: nothing that it does from here on leaves the machine.
    void Promise.resolve(registry?.[Symbol.asyncDispose]()).catch(() => undefined);
  }

  /** As a program on the machine does it; an undefined text deletes the note. */
  write(name: string, text: string | undefined): void {
    const body = text === undefined ? undefined : { text };
    this.registry.write([{ kind: noteKind.name, name, body }]);
  }

  [Symbol.dispose](): void {
    this.kill();
    this.database[Symbol.dispose]();
  }

  /** Each transaction costs its share of processor and disk before what follows from it leaves. */
  #metered(): Database {
    const { database, machine } = this;
    const { model, committed } = this.#parts;
    const { life } = machine;
    // Only what must last is waited for: the disk takes the rest when it has time.
    let isLasting = false;
    const durable = (): void => {
      if (!machine.running || machine.life !== life) return;
      machine.spend(model.cost.commit + model.cost.watch, isLasting ? model.syncMs : 0);
      isLasting = false;
      committed(this);
    };
    const lasting = (): void => {
      isLasting = true;
      database.afterCommit(durable);
    };
    return {
      get inTransaction() {
        return database.inTransaction;
      },
      file: database.file,
      prepare: (sql) => shared(sql, database.prepare(sql), life === firstLife),
      beforeCommit: (hook) => database.beforeCommit(hook),
      afterCommit: (hook) => database.afterCommit(hook),
      afterRollback: (hook) => database.afterRollback(hook),
      group: (work) =>
        database.group(() => {
          lasting();
          return work();
        }),
      transaction(fn, options) {
        if (database.inTransaction) return database.transaction(fn, options);
        return database.transaction(() => {
          if (options?.mayBeLost) database.afterCommit(durable);
          else lasting();
          return fn();
        }, options);
      },
      [Symbol.dispose]: () => undefined,
    };
  }
}

/** Statements that each stack reads the whole roster or all heads with, once, when it starts. */
const wholes = /FROM registry_(?:statement|head) ORDER BY/;
/** Bytes by what they are: a thousand stacks hold the same thousand heads and certificates. */
const bytesByText = new Map<string, Uint8Array>();
/** Only what a mesh begins with is kept for sharing: what each later life reads is other heads, for ever. */
const firstLife = 1;

/** Gives rows whose bytes are the same objects for all stacks, so that a mesh of 1,000 fits into memory. */
function shared<Statement extends { all(...values: unknown[]): unknown[] }>(
  sql: string,
  statement: Statement,
  isKept: boolean,
): Statement {
  if (!wholes.test(sql)) return statement;
  const read = statement.all.bind(statement);
  const all = (...values: unknown[]): unknown[] => read(...values).map((row) => sharedRow(row as object, isKept));
  return Object.assign(statement, { all });
}

function sharedRow(row: object, isKept: boolean): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (!(value instanceof Uint8Array)) return [name, value];
      const text = Buffer.from(value).toString('latin1');
      const known = bytesByText.get(text) ?? value;
      if (isKept) bytesByText.set(text, known);
      return [name, known];
    }),
  );
}
