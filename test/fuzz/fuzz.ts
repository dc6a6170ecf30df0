// Hands inputs to a parser, half of them spoilt from valid messages, counts how far they get, and says how to replay one.
import assert from 'node:assert/strict';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readValue, toHex } from '../../registry/wire.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { below, type Chance, encode, oddValues, oneOf, spoilBytes, spoilValue } from './mutate.ts';

/** What a parser is and how it is tried. */
export interface Target {
  readonly name: string;
  /** One of the valid messages. */
  readonly valid: (chance: Chance) => Uint8Array;
  /** Valid ones that were changed inside and signed again with the right key: they get past the signature. */
  readonly resigned?: (chance: Chance, odd: readonly unknown[]) => Uint8Array;
  /** What isn't CBOR is read by another first decoder, which says whether it passed. */
  readonly decodes?: (bytes: Uint8Array) => boolean;
  /** What goes before each input and isn't measured. */
  readonly before?: () => Promise<void>;
  /** Hands the input over, throws where a promise is broken, and answers the gate where it ended, such as `signature`. */
  readonly take: (bytes: Uint8Array, chance: Chance) => string | Promise<string>;
  /** At least so large a part of the inputs gets to these gates, in 1 of all. */
  readonly least: Readonly<Record<string, number>>;
  /** Called now and then: a valid message is still taken, and nothing piles up. */
  readonly check?: () => void | Promise<void>;
}

export interface Outcome {
  readonly runs: number;
  /** Inputs that came from a valid message by spoiling it. */
  readonly spoilt: number;
  /** Inputs that the first decoder took. */
  readonly decoded: number;
  readonly gates: Readonly<Record<string, number>>;
  /** Of the processor, as others may use the machine. */
  readonly worstMs: number;
  readonly worst: string;
  /** Growth after collection since the first quarter, in MB: of the heap, and of buffers outside of it. */
  readonly grownMb: number;
  readonly tookS: number;
}

/** A long run of one target takes about half a minute of a processor; on a loaded machine that is many. */
export const longMs = 3_600_000;
const checkEvery = 1_000;
/** No input may take so long: what is slower is not bounded. */
const absurdMs = 1_000;
/** What a parser may keep for good: caches of keys, signatures and known messages fill up in the first quarter. */
const maxGrownMb = 32;
/** Exchanges end after 10 s and calls after 35 s at the latest, by the machine's clock. */
const longestLimitS = 40;
const maxShownBytes = 4_096;

/** Replays with FUZZ_SEED; with FUZZ_AT only that input. */
export const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_120);
const only = process.env['FUZZ_AT'] === undefined ? undefined : Number(process.env['FUZZ_AT']);

/** How many inputs each parser gets: FUZZ_RUNS, or what the lane says. */
export function runsOf(lane: number): number {
  return Number(process.env['FUZZ_RUNS'] ?? lane);
}

/** The input of that number, and whether it is a spoilt valid one: the same for one seed, whatever came before. */
function inputOf(target: Target, odd: readonly unknown[], chance: Chance): { input: Uint8Array; isSpoilt: boolean } {
  const way = chance();
  if (way >= 0.97)
    return { input: Uint8Array.from({ length: below(chance, 300) }, () => chance() * 256), isSpoilt: false };
  if (way >= 0.92) return { input: encode(oneOf(chance, odd), chance, 0), isSpoilt: false };
  const valid = target.valid(chance);
  if (way >= 0.9) return { input: valid, isSpoilt: false };
  // Alone in its buffer, as from a stream: what is kept of one input must not keep its neighbours.
  return { input: new Uint8Array(spoiltOf(target, valid, way, odd, chance)), isSpoilt: true };
}

function spoiltOf(target: Target, valid: Uint8Array, way: number, odd: readonly unknown[], chance: Chance): Uint8Array {
  if (way >= 0.65 && target.resigned) return target.resigned(chance, odd);
  const value = way >= 0.25 ? readValue(valid) : undefined;
  // What isn't CBOR (JSON, lines) is spoilt inside by its target alone.
  if (value === undefined && way >= 0.45 && target.resigned) return target.resigned(chance, odd);
  if (value === undefined) return spoilBytes(valid, target.valid(chance), chance);
  return encode(spoilValue(value, odd, chance), chance, chance() < 0.15 ? 0.05 : 0);
}

/** Runs a target; throws at the first broken promise, with the input and how to replay it. */
export async function fuzz(target: Target, runs: number): Promise<Outcome> {
  using floating = watchFloating();
  const odd = oddValues(seed);
  const gates: Record<string, number> = {};
  let [decoded, spoilt, worstMs, worst] = [0, 0, 0, ''];
  let warmMb = await keptMb();
  const begin = process.threadCpuUsage();
  for (let at = only ?? 0; at < (only === undefined ? runs : only + 1); at += 1) {
    if (at === Math.floor(runs / 4)) warmMb = await keptMb();
    const chance = seededRandom(seed + at * 2_654_435_761);
    const { input, isSpoilt } = inputOf(target, odd, chance);
    await target.before?.();
    const before = process.threadCpuUsage();
    try {
      const taken = target.take(input, chance);
      const gate = typeof taken === 'string' ? taken : await taken;
      gates[gate] = (gates[gate] ?? 0) + 1;
    } catch (cause) {
      const shown = toHex(input.subarray(0, maxShownBytes));
      const again = `FUZZ_SEED=${seed} FUZZ_AT=${at} node --test --test-name-pattern='${target.name}' test/fuzz`;
      throw new Error(
        `"${target.name}" broke at input ${at} (${input.byteLength} bytes): ${String(cause)}\n${shown}\nagain: ${again}`,
        { cause },
      );
    }
    const tookMs = msSince(before);
    if (tookMs > worstMs) [worstMs, worst] = [tookMs, `input ${at}, ${input.byteLength} bytes`];
    if (isSpoilt) spoilt += 1;
    if (target.decodes?.(input) ?? readValue(input) !== undefined) decoded += 1;
    if (at % checkEvery !== checkEvery - 1) continue;
    await target.check?.();
    await floating.none();
  }
  await target.check?.();
  await floating.none();
  const tookS = msSince(begin) / 1000;
  let grownMb = (await keptMb()) - warmMb;
  // What hangs on the time limit of an exchange that is over goes with that limit, and what leaks stays.
  for (let waitedS = 0; grownMb >= maxGrownMb && waitedS < longestLimitS; waitedS += 1) {
    await pause(1_000);
    grownMb = (await keptMb()) - warmMb;
  }
  const outcome = { runs, spoilt, decoded, gates, worstMs, worst, grownMb, tookS };
  process.stdout.write(`fuzz ${JSON.stringify({ target: target.name, seed, ...outcome })}\n`);
  if (only === undefined) judge(target, outcome);
  return outcome;
}

function judge(target: Target, { runs, spoilt, decoded, gates, worstMs, worst, grownMb }: Outcome): void {
  assert.ok(spoilt * 2 >= runs, `"${target.name}": only ${spoilt} of ${runs} inputs come from valid messages`);
  assert.ok(decoded * 3 >= runs, `"${target.name}": only ${decoded} of ${runs} inputs get past the first decoder`);
  for (const [gate, part] of Object.entries(target.least)) {
    const count = gates[gate] ?? 0;
    assert.ok(count >= part * runs, `"${target.name}": only ${count} of ${runs} inputs get to "${gate}"`);
  }
  assert.ok(worstMs < absurdMs, `"${target.name}": ${worstMs} ms for ${worst}`);
  assert.ok(grownMb < maxGrownMb, `"${target.name}": what is kept grew by ${grownMb} MB`);
}

/** Hears of what nobody waits for: a rejection without a handler, and what is thrown out of a timer or a listener. */
export function watchFloating(): Disposable & { none(): Promise<void> } {
  const heard: unknown[] = [];
  const hear = (error: unknown): void => void heard.push(error);
  const events = ['unhandledRejection', 'uncaughtException'] as const;
  for (const event of events) process.on(event, hear);
  return {
    async none() {
      // Node says so after the microtasks of a turn.
      await turn();
      assert.deepEqual(heard, []);
    },
    [Symbol.dispose]() {
      for (const event of events) process.off(event, hear);
    },
  };
}

function msSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is kept after a collection, in MB: the second one counts the buffers that the first one let go. */
export async function keptMb(): Promise<number> {
  collect();
  await turn();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}
