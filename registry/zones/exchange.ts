// How two stacks bring one another up to date about zones: one hash first, then marks, then only what is newer.
import { z } from 'zod';
import { maxProvenBytes } from '#registry/feeds';
import { type Clock, within } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { bytesSchema, fit, fromBytes, readRequest, sameBytes, toBytes } from '../wire.ts';
import type { Mark, Summaries, Taken } from './summaries.ts';
import { gatewaysAZone, maxZones } from './zone.ts';

const zoneProtocol = '/hermesh/zone/1.0.0';
/** All summaries of 64 zones have about 400 KB; what doesn't fit comes with the next exchange. */
const maxMessageBytes = 768 * 1024;
const maxSummariesBytes = 512 * 1024;
const timeoutMs = 10_000;
/** A stack that sent a forged summary isn't asked for this long. */
const refusedMs = 300_000;
/** Stacks that are remembered for it. */
const maxRefused = 1_000;

const counter = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const marks = z.array(z.tuple([z.string().max(64), counter, counter])).max(maxZones * gatewaysAZone);
const wires = z.array(bytesSchema({ maxBytes: maxProvenBytes })).max(maxZones * gatewaysAZone);
const request = z.union([
  z.strictObject({ digest: bytesSchema(32) }),
  z.strictObject({ have: marks, summaries: wires }),
]);
const marksAnswer = z.strictObject({ have: marks.nullable() });
const summariesAnswer = z.strictObject({ summaries: wires });

type Question =
  | { readonly digest: Uint8Array }
  | { readonly have: readonly Mark[]; readonly summaries: readonly Uint8Array[] };

export interface ZoneExchangeParts {
  readonly network: Network;
  readonly summaries: Summaries;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export class ZoneExchange {
  readonly #parts: ZoneExchangeParts;
  /** By members that are asked now; as many as there are connections. */
  readonly #running = new Map<StackId, Promise<boolean>>();
  /** Until when a stack isn't asked, in milliseconds of the monotonic clock. */
  readonly #refused = new Map<StackId, number>();

  constructor(parts: ZoneExchangeParts) {
    this.#parts = parts;
    const bounds = { access: 'member', maxRequestBytes: maxMessageBytes, timeoutMs } as const;
    parts.network.serve(zoneProtocol, bounds, async (bytes, { from }) => this.#answer(bytes, from));
  }

  /** Compares with a connected member, both ways; resolves to whether it answered. */
  with(peer: StackId): Promise<boolean> {
    const running = this.#running.get(peer);
    if (running) return running;
    const begun = this.#exchange(peer)
      .catch((error: unknown) => {
        this.#parts.log.debug({ peer, error }, 'exchange about zones failed');
        return false;
      })
      .finally(() => this.#running.delete(peer));
    this.#running.set(peer, begun);
    return begun;
  }

  async #exchange(peer: StackId): Promise<boolean> {
    const { summaries, clock } = this.#parts;
    if ((this.#refused.get(peer) ?? 0) > clock.monotonic()) return false;
    const theirs = fromBytes(marksAnswer, await this.#ask(peer, { digest: summaries.digest() }), maxMessageBytes);
    if (!theirs) throw new Error('the answer cannot be read');
    if (!theirs.have) return true;
    const give = this.#newerThan(theirs.have);
    const answer = await this.#ask(peer, { have: summaries.marks(), summaries: give });
    const read = fromBytes(summariesAnswer, answer, maxMessageBytes);
    if (!read) throw new Error('the answer cannot be read');
    const forged = this.#take(read.summaries, peer);
    if (forged > 0) this.#parts.log.warn({ peer, count: forged }, 'refused forged summaries of zones');
    return true;
  }

  #answer(bytes: Uint8Array, from: StackId): Uint8Array {
    const { summaries } = this.#parts;
    const read = readRequest(request, bytes, maxMessageBytes);
    if ('digest' in read)
      return toBytes({ have: sameBytes(read.digest, summaries.digest()) ? null : summaries.marks() });
    const give = this.#newerThan(read.have);
    if (this.#take(read.summaries, from) > 0) {
      throw new RegistryError('refused', 'Cannot take a summary that its gateway did not sign');
    }
    return toBytes({ summaries: give });
  }

  #newerThan(have: readonly Mark[]): Uint8Array[] {
    const newer = this.#parts.summaries.newerThan(have).map(({ wire }) => wire);
    return fit(newer, maxSummariesBytes, (wire) => wire);
  }

  /** How many of them are forged. */
  #take(given: readonly Uint8Array[], from: StackId): number {
    const { summaries, metrics, clock } = this.#parts;
    const outcomes: Record<Taken, number> = { taken: 0, known: 0, refused: 0, forged: 0 };
    for (const wire of given) outcomes[summaries.take(wire)] += 1;
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (count > 0) metrics.count('zone_summaries_total', { outcome }, count);
    }
    if (outcomes.forged === 0) return 0;
    if (this.#refused.size >= maxRefused) this.#refused.clear();
    this.#refused.set(from, clock.monotonic() + refusedMs);
    return outcomes.forged;
  }

  #ask(peer: StackId, message: Question): Promise<Uint8Array> {
    const { network, clock, signal, metrics } = this.#parts;
    metrics.count('zone_asked_total');
    return within(clock, timeoutMs, { signal }, (limit) =>
      network.request(peer, zoneProtocol, toBytes(message), { signal: limit, maxResponseBytes: maxMessageBytes }),
    );
  }
}
