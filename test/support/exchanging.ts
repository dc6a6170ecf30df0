// Stacks with blob stores and an exchange, in one process over the memory network, for tests of moving blobs.
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeShelf } from '#daemon/deploy';
import { type BlobStore, openBlobStore, openPartialStore } from '#manifests';
import { type Log, type MemberRole, type StackId, systemClock } from '#registry';
import {
  type BlobDigest,
  type Exchange,
  type ExchangeOptions,
  holdingKind,
  openExchange,
  type Shelf,
} from '#registry/exchange';
import { daemonKinds } from '../../daemon/kinds.ts';
import { Constellation, join, type Node, silentLog } from './constellation.ts';
import { eventually } from './deadline.ts';
import { seededRandom } from './seeded-random.ts';

export interface Exchanging extends Node {
  readonly folder: string;
  readonly blobs: BlobStore;
  readonly exchange: Exchange;
  /** What was told of peers, in order. */
  readonly faults: { readonly stack: StackId; readonly fault: string }[];
}

export interface ExchangingOptions extends Partial<Pick<ExchangeOptions, 'mayRead' | 'maxUploadBytesPerSecond'>> {
  readonly folder?: string;
  readonly log?: Log;
  /** Of all but the first, which is an admin. */
  readonly role?: MemberRole;
  /** Stands before the shelf, to lie. */
  readonly twist?: (shelf: Shelf) => Shelf;
}

/** A mesh of these stacks; each blob store is a folder of its own. */
export class ExchangeMesh implements AsyncDisposable {
  readonly #constellation = new Constellation({ kinds: [...daemonKinds, holdingKind] });
  readonly #parts = new AsyncDisposableStack();
  readonly stacks: Exchanging[] = [];

  get hub() {
    return this.#constellation.hub;
  }

  async open(name: string, options: ExchangingOptions = {}): Promise<Exchanging> {
    const node = await this.#constellation.open(name);
    const [founder] = this.stacks;
    if (founder) await join(node, founder, options.role);
    const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'hermesh-exchange-')));
    this.#parts.defer(() => rm(folder, { recursive: true, force: true }));
    const blobs = await openBlobStore(folder);
    const shelf = makeShelf(blobs, await openPartialStore(folder));
    const faults: Exchanging['faults'] = [];
    const exchange = this.#parts.use(
      openExchange({
        network: node.network,
        shelf: options.twist?.(shelf) ?? shelf,
        directory: node.registry.directory,
        clock: systemClock,
        random: seededRandom(this.stacks.length + 1),
        log: options.log ?? silentLog,
        reach: (stack, limit) => node.registry.reach(stack, limit),
        fault: (stack, fault) => {
          faults.push({ stack, fault });
          node.registry.fault(stack, fault);
        },
        ...options,
      }),
    );
    const stack: Exchanging = { ...node, folder, blobs, exchange, faults };
    this.stacks.push(stack);
    return stack;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#constellation[Symbol.asyncDispose]();
    await this.#parts.disposeAsync();
  }
}

/** Bytes that no compressor makes smaller, the same for the same seed. */
export function noise(sizeBytes: number, seed: string): Uint8Array {
  return createHash('shake256', { outputLength: sizeBytes }).update(seed).digest();
}

/** Keeps a blob at a stack, and tells the mesh of it unless `isTold` is false. */
export async function keep(at: Exchanging, content: Uint8Array, { isTold = true } = {}): Promise<BlobDigest> {
  const { digest } = await at.blobs.write([content], { maxBytes: 1e9, signal: AbortSignal.timeout(30_000) });
  if (isTold) at.registry.write([{ kind: 'blob-holding', name: digest, body: await at.exchange.describe([digest]) }]);
  return digest;
}

/** Resolves once `at` knows of so many holders. */
export async function knows(at: Exchanging, holders: number): Promise<void> {
  await eventually(
    `"${at.name}" knows of ${holders} holders`,
    () => at.registry.directory.list({ kind: 'blob-holding' }).length >= holders,
  );
}
