// Several registries in one process, over the memory network: the smallest mesh that tests can make and break.
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import {
  type Database,
  defineKind,
  type Identity,
  type Kind,
  type Log,
  type MayStand,
  type MemberRole,
  MemoryHub,
  type Metrics,
  makeIdentity,
  type Network,
  openDatabase,
  openRegistry,
  type Registry,
  type RegistryOptions,
  registryMigrations,
  systemClock,
} from '#registry';
import { eventually } from './deadline.ts';

/** A kind that any member may write, and one for admins. */
export const noteKind = defineKind({
  name: 'note',
  schema: z.strictObject({ text: z.string().max(15_000) }),
  maxBytes: 16_000,
  writer: 'any-member',
});
export const lawKind = defineKind({
  name: 'law',
  schema: z.strictObject({ text: z.string().max(1_000) }),
  maxBytes: 4_000,
  writer: 'admin',
});

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The same identity for the same word. */
export function identityOf(word: string): Identity {
  const seed = createHash('sha256').update(word).digest();
  return makeIdentity(seed, createHash('sha256').update(seed).digest());
}

export interface Node extends AsyncDisposable {
  readonly name: string;
  readonly identity: Identity;
  readonly database: Database;
  readonly network: Network;
  readonly registry: Registry;
}

export interface ConstellationOptions {
  readonly kinds?: readonly Kind[];
  readonly mayStand?: MayStand;
  readonly batchMs?: number;
  readonly antiEntropyMs?: number;
  readonly barrierMs?: number;
  readonly metrics?: Metrics;
  readonly log?: Log;
  readonly now?: () => number;
  /** The zone that is founded or asked for. */
  readonly zone?: string;
  readonly maxZoneMembers?: number;
  readonly liveness?: RegistryOptions['liveness'];
  readonly timeSample?: RegistryOptions['timeSample'];
}

/** Registries that share one hub; short intervals, so that a test waits for milliseconds. */
export class Constellation implements AsyncDisposable {
  readonly hub = new MemoryHub();
  readonly nodes: Node[] = [];
  readonly #options: ConstellationOptions;

  constructor(options: ConstellationOptions = {}) {
    this.#options = options;
  }

  /** Opens a registry, by default with a database in memory and an identity made from the name. */
  async open(name: string, options: ConstellationOptions & { identity?: Identity; file?: string } = {}): Promise<Node> {
    const all = { ...this.#options, ...options };
    const identity = all.identity ?? identityOf(name);
    const network = this.hub.open(identity);
    const database = openDatabase(all.file ?? ':memory:', [registryMigrations]);
    const registry = await openRegistry({
      database,
      identity,
      name,
      network,
      kinds: all.kinds ?? [noteKind, lawKind],
      mayStand: all.mayStand ?? (() => undefined),
      clock: { ...systemClock, ...(all.now && { now: all.now }) },
      random: (sizeBytes) => randomBytes(sizeBytes),
      log: all.log ?? silentLog,
      ...(all.metrics && { metrics: all.metrics }),
      replicate: {
        batchMs: all.batchMs ?? 10,
        antiEntropyMs: all.antiEntropyMs ?? 100,
        barrierMs: all.barrierMs ?? 300,
      },
      ...(all.liveness && { liveness: all.liveness }),
      ...(all.timeSample && { timeSample: all.timeSample }),
      retryMs: 50,
      zones: { lookMs: 100, refreshMs: 1_000, roundMs: 200, staleMs: 3_000 },
      ...(all.zone === undefined ? {} : { zone: all.zone }),
      ...(all.maxZoneMembers === undefined ? {} : { maxZoneMembers: all.maxZoneMembers }),
    });
    // As a daemon does, so that the others know where to dial it.
    registry.write([{ kind: 'stack', name, body: { name, addresses: [...network.addresses()] } }]);
    let closed = false;
    const node: Node = {
      name,
      identity,
      database,
      network,
      registry,
      [Symbol.asyncDispose]: async () => {
        if (closed) return;
        closed = true;
        await registry[Symbol.asyncDispose]();
        await network[Symbol.asyncDispose]();
        database[Symbol.dispose]();
      },
    };
    this.nodes.push(node);
    return node;
  }

  /** Opens registries of these names, the first of which founds the mesh that the others join. */
  async mesh(...names: readonly string[]): Promise<Node[]> {
    const nodes = [];
    for (const name of names) nodes.push(await this.open(name));
    const [founder, ...joiners] = nodes;
    if (!founder) return nodes;
    for (const joiner of joiners) await join(joiner, founder);
    return nodes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }
}

/** Lets one stack join another's mesh with a fresh invite. */
export async function join(joiner: Node, inviter: Node, role: MemberRole = 'member'): Promise<void> {
  const { token } = inviter.registry.createInvite({ role, expiresInMs: 60_000, uses: 1 });
  await joiner.registry.join(token, { signal: AbortSignal.timeout(5_000) });
}

/** Writes a note. */
export function write(node: Node, name: string, text: string | undefined): void {
  node.registry.write([{ kind: 'note', name, body: text === undefined ? undefined : { text } }]);
}

/** All notes that a registry shows, as `name=text@stack`. */
export function notes(node: Node): string[] {
  return node.registry.directory
    .list({ kind: noteKind, includeUnreachable: true })
    .map((entry) => `${entry.name}=${entry.body.text}@${entry.stackName}`);
}

/** Resolves once all of them show exactly these notes. */
export async function converge(nodes: readonly Node[], expected: readonly string[], timeoutMs = 10_000): Promise<void> {
  const sorted = [...expected].sort();
  for (const node of nodes) {
    await eventually(
      `"${node.name}" shows ${sorted.length} notes`,
      () => JSON.stringify(notes(node).sort()) === JSON.stringify(sorted),
      { timeoutMs, everyMs: 5 },
    );
  }
}
