// Records of other zones, asked for when somebody wants one: proven by their owners, whoever hands them on.
import { z } from 'zod';
import { maxProvenBytes, verifyProvenRecord } from '#registry/feeds';
import { type Clock, within } from '../clock.ts';
import { maxNameLength } from '../kind.ts';
import type { Metrics } from '../metrics.ts';
import type { Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { bytesSchema, fromBytes, readRequest, sha256, toBytes, toHex } from '../wire.ts';

const recordProtocol = '/hermesh/record/1.0.0';
const maxRequestBytes = 2 * 1024;
/** Claimants of one name in one zone that are told of. */
export const maxClaimants = 8;
const maxAnswerBytes = maxClaimants * (maxProvenBytes + 16) + 1024;
const timeoutMs = 5_000;
/** Zones that are asked at a time. */
const zonesAtOnce = 16;
/** Searches at a time: more are a program's fault, and each may ask 64 zones. */
const maxSearches = 64;
/** What was found is believed this long; what wasn't, shorter, as somebody may wait for it. */
const foundMs = 30_000;
const nothingMs = 3_000;
/** Answers that are kept: at most 16 KiB for each of their records. */
const maxCached = 500;

const requestSchema = z.strictObject({
  kind: z.string().min(1).max(64),
  name: z.string().min(1).max(maxNameLength),
});
const answerSchema = z.strictObject({
  records: z.array(bytesSchema({ maxBytes: maxProvenBytes })).max(maxClaimants),
});

/** A record and who owns it, of the own zone or of another one. */
export interface FoundRecord {
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  readonly stackName: string;
  readonly zone: string;
  /** In the shape of its kind. */
  readonly body: unknown;
  /** SHA-256 of its bytes, in hex. */
  readonly hash: string;
}

/** What a search came to. */
export interface Found {
  /** All claimants of the name that were found, first the one that it means. */
  readonly records: readonly FoundRecord[];
  /** Zones of which nobody answered: what isn't found may be there. */
  readonly unanswered: readonly string[];
}

export interface FinderParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  readonly mesh: () => string;
  readonly member: (stack: StackId) => { readonly zone: string; readonly name: string } | undefined;
  /** The body in the shape of its kind where the record may stand, else why not. */
  readonly judge: (
    owner: StackId,
    record: { readonly kind: string; readonly name: string; readonly body: Uint8Array },
  ) => { readonly body: unknown } | { readonly fault: string };
  /** The proven records of that name in the own zone. */
  readonly prove: (kind: string, name: string) => readonly Uint8Array[];
  /** Runs `ask` with stacks of the zone that can be reached, in turn, until one answers; undefined where none does. */
  readonly askZone: <Answer>(
    zone: string,
    ask: (peer: StackId) => Promise<Answer>,
    options: { signal: AbortSignal },
  ) => Promise<Answer | undefined>;
}

export class Finder {
  readonly #parts: FinderParts;
  readonly #cache = new Map<string, { readonly until: number; readonly found: Found }>();
  readonly #searching = new Map<string, Promise<Found>>();

  constructor(parts: FinderParts) {
    this.#parts = parts;
    const bounds = { access: 'member', maxRequestBytes, timeoutMs } as const;
    parts.network.serve(recordProtocol, bounds, async (bytes) => {
      const read = readRequest(requestSchema, bytes, maxRequestBytes);
      parts.metrics.count('zone_records_served_total');
      return toBytes({ records: parts.prove(read.kind, read.name).slice(0, maxClaimants) });
    });
  }

  /** Asks these zones for a record, in parallel; throws `too-slow` where too many searches run. */
  async find(
    kind: string,
    name: string,
    zones: readonly string[],
    { signal }: { signal: AbortSignal },
  ): Promise<Found> {
    const key = JSON.stringify([kind, name, zones]);
    const cached = this.#cache.get(key);
    if (cached && cached.until > this.#parts.clock.monotonic()) return cached.found;
    // Who asks the same meanwhile waits for the same answer, for as long as its own signal lets it.
    const search = this.#searching.get(key) ?? this.#begin(key, kind, name, zones);
    return until(search, signal);
  }

  /** Forgets what was found, as the mesh is another one. */
  clear(): void {
    this.#cache.clear();
  }

  #begin(key: string, kind: string, name: string, zones: readonly string[]): Promise<Found> {
    if (this.#searching.size >= maxSearches) {
      throw new RegistryError(
        'too-slow',
        `Cannot search for "${kind}/${name}": ${maxSearches} searches run; try again`,
      );
    }
    const search = this.#search(kind, name, zones)
      .then((found) => {
        this.#keep(key, found);
        return found;
      })
      .finally(() => this.#searching.delete(key));
    this.#searching.set(key, search);
    return search;
  }

  async #search(kind: string, name: string, zones: readonly string[]): Promise<Found> {
    const left = [...zones];
    const records: FoundRecord[] = [];
    const unanswered: string[] = [];
    const { clock, signal } = this.#parts;
    await within(clock, timeoutMs, { signal }, async (limit) => {
      const work = async (): Promise<void> => {
        for (let zone = left.shift(); zone !== undefined; zone = left.shift()) {
          const found = limit.aborted ? undefined : await this.#askZone(kind, name, zone, limit);
          if (found) records.push(...found);
          else unanswered.push(zone);
        }
      };
      await Promise.all(Array.from({ length: Math.min(zonesAtOnce, zones.length) }, work));
    });
    return { records: records.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)), unanswered: unanswered.sort() };
  }

  async #askZone(
    kind: string,
    name: string,
    zone: string,
    signal: AbortSignal,
  ): Promise<readonly FoundRecord[] | undefined> {
    const { network, askZone, metrics } = this.#parts;
    const ask = async (peer: StackId): Promise<readonly FoundRecord[]> => {
      metrics.count('zone_records_asked_total');
      const options = { signal, maxResponseBytes: maxAnswerBytes };
      const bytes = await network.request(peer, recordProtocol, toBytes({ kind, name }), options);
      const read = fromBytes(answerSchema, bytes, maxAnswerBytes);
      if (!read) throw new Error('the answer cannot be read');
      const proven = read.records.map((wire) => this.#verify(wire, { kind, name, zone }));
      const kept = proven.flatMap((each) => each ?? []);
      // One that forges is as good as one that is silent: the next in rank is asked.
      if (kept.length < proven.length) {
        metrics.count('zone_records_refused_total', {}, proven.length - kept.length);
        if (kept.length === 0) throw new Error('the answer proves nothing');
      }
      return kept;
    };
    return askZone(zone, ask, { signal }).catch(() => undefined);
  }

  #verify(
    wire: Uint8Array,
    asked: { readonly kind: string; readonly name: string; readonly zone: string },
  ): FoundRecord | undefined {
    const { mesh, member, judge } = this.#parts;
    const proven = verifyProvenRecord(wire, mesh());
    if (typeof proven === 'string' || !proven.body) return undefined;
    const { kind, name, body } = proven;
    const stack = proven.head.head.feed;
    const owner = member(stack);
    if (!owner || owner.zone !== asked.zone || kind !== asked.kind || name !== asked.name) return undefined;
    const judged = judge(stack, { kind, name, body });
    if ('fault' in judged) return undefined;
    return { kind, name, stack, stackName: owner.name, zone: owner.zone, body: judged.body, hash: toHex(sha256(body)) };
  }

  #keep(key: string, found: Found): void {
    if (this.#cache.size >= maxCached) {
      const [oldest] = this.#cache.keys();
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.delete(key);
    const keptMs = found.records.length > 0 && found.unanswered.length === 0 ? foundMs : nothingMs;
    this.#cache.set(key, { until: this.#parts.clock.monotonic() + keptMs, found });
  }
}

/** The order in which claimants have a name, the same as within a zone. */
function orderOf({ kind, name, stack }: FoundRecord): string {
  return toHex(sha256(toBytes([kind, name, stack])));
}

/** The promise's outcome, or the signal's reason once it is aborted. */
function until<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
