// One registry under attack: a member of its mesh that sends, over the memory network, whatever a test says; time is the test's.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Clock,
  type Database,
  MemoryHub,
  type Network,
  openDatabase,
  openRegistry,
  type Registry,
  RegistryError,
  registryMigrations,
} from '#registry';
import { makeJoinRequest } from '../../registry/roster/admission.ts';
import { type InviteToken, readToken } from '../../registry/roster/token.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf, noteKind, silentLog } from '../support/constellation.ts';
import { seededRandom } from '../support/seeded-random.ts';

const bounds = (): { signal: AbortSignal; maxResponseBytes: number } => ({
  signal: new AbortController().signal,
  maxResponseBytes: 1024 * 1024,
});

/** Time that stands still until it is passed; what is due then is done in order. */
export class HandClock implements Clock {
  #now = 0;
  readonly #due = new Set<{ readonly at: number; readonly act: () => void }>();

  now(): number {
    return 1_800_000_000_000;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, act: () => void): () => void {
    const entry = { at: this.#now + Math.max(0, ms), act };
    this.#due.add(entry);
    return () => void this.#due.delete(entry);
  }

  /** Timers that wait: a registry has few. */
  get waiting(): number {
    return this.#due.size;
  }

  /** Time that a machine slept: each timer that is due then comes once. */
  jump(ms: number): void {
    this.#now += ms;
    const due = [...this.#due].filter(({ at }) => at <= this.#now);
    for (const each of due) this.#due.delete(each);
    for (const each of due) each.act();
  }

  pass(ms: number): void {
    const until = this.#now + ms;
    for (let left = 10_000; left > 0; left -= 1) {
      let next: { readonly at: number; readonly act: () => void } | undefined;
      for (const each of this.#due) if (each.at <= until && (!next || each.at < next.at)) next = each;
      if (!next) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.act();
    }
    this.#now = until;
  }
}

/** A network on which each request, answer and message that leaves may be spoilt. */
export type Twist = (
  what: { readonly protocol: string; readonly way: 'request' | 'answer' | 'published' },
  bytes: Uint8Array,
) => Uint8Array;

export interface Besieged extends AsyncDisposable {
  readonly clock: HandClock;
  readonly hub: MemoryHub;
  readonly database: Database;
  readonly registry: Registry;
  readonly network: Network;
  /** The attacker: a member, with the network that it attacks by. */
  readonly rogue: {
    readonly identity: ReturnType<typeof identityOf>;
    readonly network: Network;
    readonly registry: Registry;
    /** What it logged as errors: its key signs what this test spoilt, so it finds another one with its identity. */
    readonly faults: readonly unknown[];
  };
  readonly invite: InviteToken;
  /** What the rogue sends from now on passes through this. */
  twist: Twist;
  /** What the besieged logged as errors: nobody has its key, so nothing that is sent may make it say or do anything. */
  readonly faults: readonly unknown[];
  /** What it logged as warnings. */
  readonly told: readonly Readonly<Record<string, unknown>>[];
  /** What it counted, by name and what. */
  readonly counted: ReadonlyMap<string, number>;
  /** Rows that were ever changed. */
  changes(): number;
  /** Lets time pass, and all that follows happen. */
  pass(ms: number): Promise<void>;
  /** Connects the rogue again where it was cut off. */
  connect(): Promise<void>;
  /** One exchange as the rogue; throws what the other side answered instead. */
  ask(protocol: string, request: Uint8Array): Promise<Uint8Array>;
  askInvited(request: Uint8Array): Promise<Uint8Array>;
}

export async function besiege(seed: number): Promise<Besieged> {
  await using parts = new AsyncDisposableStack();
  const clock = new HandClock();
  const hub = new MemoryHub();
  const random = seededRandom(seed);
  const told: Besieged['told'][number][] = [];
  const counted = new Map<string, number>();
  const count = (name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void => {
    const key = `${name} ${labels['what'] ?? ''}`.trim();
    counted.set(key, (counted.get(key) ?? 0) + by);
  };
  const state: { twist: Twist } = { twist: (_, bytes) => bytes };
  const open = async (name: string, wrap: (network: Network) => Network) => {
    const identity = identityOf(name);
    const faults: unknown[] = [];
    const bare = parts.use(hub.open(identity));
    const database = parts.use(openDatabase(':memory:', [registryMigrations]));
    const network = wrap(bare);
    const registry = parts.use(
      await openRegistry({
        ...{ database, identity, name, network, clock, kinds: [noteKind], mayStand: () => undefined, retryMs: 50 },
        random: (size) => Uint8Array.from({ length: size }, () => Math.floor(random() * 256)),
        log: {
          ...silentLog,
          error: (...line: unknown[]) => void faults.push(line),
          warn: (fields) => void (name === 'besieged' && told.push({ ...fields })),
        },
        ...(name === 'besieged' && { metrics: { count } }),
        replicate: { batchMs: 10, antiEntropyMs: 1_000, barrierMs: 300 },
      }),
    );
    registry.write([{ kind: 'stack', name, body: { name, addresses: [...bare.addresses()] } }]);
    return { identity, bare, database, network, registry, faults };
  };
  const self = await open('besieged', (network) => network);
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left >= 0; left -= 250) {
      clock.pass(Math.min(250, left));
      for (let turns = 0; turns < 4; turns += 1) await turn();
    }
  };
  const rogue = await open('rogue', (network) => twisted(network, () => state.twist));
  const { token } = self.registry.createInvite({ role: 'member', expiresInMs: 86_400_000, uses: 900 });
  const joining = rogue.registry.join(token, bounds());
  let isJoined = false;
  void joining.then(() => {
    isJoined = true;
  });
  for (let count = 0; !isJoined && count < 100; count += 1) await pass(100);
  await joining;
  self.registry.write([{ kind: 'note', name: 'kept', body: { text: 'kept' } }]);
  rogue.registry.write([{ kind: 'note', name: 'first', body: { text: 'first' } }]);
  await pass(3_000);
  const changes = self.database.prepare('SELECT total_changes()').pluck();
  const connect = async (): Promise<void> => {
    if (rogue.bare.connected().includes(self.bare.stack) && self.bare.connected().includes(rogue.bare.stack)) return;
    // A cut lasts an hour at most.
    clock.jump(3_700_000);
    await rogue.bare.connect(self.bare.stack, self.bare.addresses(), bounds());
  };
  const all = parts.move();
  return {
    ...{ clock, hub, told, counted, pass, database: self.database, registry: self.registry, network: self.bare },
    faults: self.faults,
    rogue: { identity: rogue.identity, network: rogue.bare, registry: rogue.registry, faults: rogue.faults },
    invite: readToken(token),
    get twist() {
      return state.twist;
    },
    set twist(twist) {
      state.twist = twist;
    },
    changes: () => changes.get() as number,
    connect,
    async ask(protocol, request) {
      return rogue.bare.request(self.bare.stack, protocol, request, bounds());
    },
    askInvited: (request) =>
      rogue.bare.requestWithKey(
        readToken(token).secret,
        self.bare.addresses(),
        '/hermesh/join/1.0.0',
        request,
        bounds(),
      ),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A server answers, or refuses with an error of the registry; anything else is a fault that nobody foresaw. */
export async function refusalOf(answer: Promise<Uint8Array>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    assert.ok(error instanceof RegistryError, `threw ${error instanceof Error ? error.stack : String(error)}`);
    return error.code;
  }
}

/** A join request of a stack that nobody knows yet. */
export function joinRequest(besieged: Besieged, name: string): Uint8Array {
  const facts = { name, addresses: ['/memory/9'], nonce: new Uint8Array(16) };
  return makeJoinRequest(identityOf(name), besieged.invite, facts);
}

export function protocolMessage(value: unknown): Uint8Array {
  return toBytes(value);
}

function twisted(network: Network, twist: () => Twist): Network {
  return {
    stack: network.stack,
    addresses: () => network.addresses(),
    connected: () => network.connected(),
    setGate: (gate) => network.setGate(gate),
    disconnect: (stack) => network.disconnect(stack),
    connect: (...at) => network.connect(...at),
    request: (stack, protocol, request, options) =>
      network.request(stack, protocol, twist()({ protocol, way: 'request' }, request), options),
    requestWithKey: (...at) => network.requestWithKey(...at),
    serve: (protocol, options, handler) =>
      network.serve(protocol, options, async (request, exchange) =>
        twist()({ protocol, way: 'answer' }, await handler(request, exchange)),
      ),
    requestStream: (...at) => network.requestStream(...at),
    serveStream: (...at) => network.serveStream(...at),
    openChannel: (...at) => network.openChannel(...at),
    serveChannel: (...at) => network.serveChannel(...at),
    publish: (topic, message) => network.publish(topic, twist()({ protocol: topic, way: 'published' }, message)),
    subscribe: (...at) => network.subscribe(...at),
    events: (options) => network.events(options),
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  };
}
