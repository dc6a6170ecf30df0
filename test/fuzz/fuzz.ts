// Hands inputs to a parser, half of them spoilt from valid messages, counts how far they get, and says how to replay one.
import assert from 'node:assert/strict';
import { readValue, toHex } from '../../registry/wire.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type Chance, encode, oddValues, oneOf, spoilBytes, spoilValue } from './mutate.ts';

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
  /** Inputs that the first decoder took. */
  readonly decoded: number;
  readonly gates: Readonly<Record<string, number>>;
  readonly worstMs: number;
  readonly worst: string;
  /** Growth of the heap after collection, in MB; not known without --expose-gc. */
  readonly grownMb: number | undefined;
}

const checkEvery = 1_000;
/** No input may take so long on a loaded machine: what is slower is not bounded. */
const absurdMs = 5_000;
/** What a parser may keep for good: caches of keys, signatures and known messages. */
const maxGrownMb = 64;
const maxShownBytes = 4_096;

/** Replays with FUZZ_SEED; with FUZZ_AT only that input. */
export const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_120);
const only = process.env['FUZZ_AT'] === undefined ? undefined : Number(process.env['FUZZ_AT']);

/** How many inputs each parser gets: FUZZ_RUNS, or what the lane says. */
export function runsOf(lane: number): number {
  return Number(process.env['FUZZ_RUNS'] ?? lane);
}

/** The input of that number: the same for one seed, whatever came before. */
function inputOf(target: Target, odd: readonly unknown[], chance: Chance): Uint8Array {
  const way = chance();
  const valid = target.valid(chance);
  if (way < 0.25) return spoilBytes(valid, target.valid(chance), chance);
  const value = readValue(valid);
  if (way < 0.35 && target.resigned === undefined && value === undefined)
    return spoilBytes(valid, target.valid(chance), chance);
  if (way < 0.65 && value !== undefined)
    return encode(spoilValue(value, odd, chance), chance, chance() < 0.15 ? 0.05 : 0);
  if (way < 0.9) return target.resigned?.(chance, odd) ?? spoilBytes(valid, target.valid(chance), chance);
  if (way < 0.92) return valid;
  if (way < 0.97) return encode(oneOf(chance, odd), chance, 0);
  return Uint8Array.from({ length: Math.floor(chance() * 300) }, () => chance() * 256);
}

/** Runs a target; throws at the first broken promise, with the input and how to replay it. */
export async function fuzz(target: Target, runs: number): Promise<Outcome> {
  const odd = oddValues(seed);
  const gates: Record<string, number> = {};
  let decoded = 0;
  let worstMs = 0;
  let worst = '';
  const before = heapMb();
  for (let at = only ?? 0; at < (only === undefined ? runs : only + 1); at += 1) {
    const chance = seededRandom(seed + at * 2_654_435_761);
    const input = inputOf(target, odd, chance);
    await target.before?.();
    const begin = performance.now();
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
    const tookMs = performance.now() - begin;
    if (tookMs > worstMs) [worstMs, worst] = [tookMs, `input ${at}, ${input.byteLength} bytes`];
    if (target.decodes?.(input) ?? readValue(input) !== undefined) decoded += 1;
    if (at % checkEvery === checkEvery - 1) await target.check?.();
  }
  await target.check?.();
  const after = heapMb();
  const grownMb = before === undefined || after === undefined ? undefined : after - before;
  const outcome = { runs, decoded, gates, worstMs, worst, grownMb };
  process.stdout.write(`fuzz ${JSON.stringify({ target: target.name, seed, ...outcome })}\n`);
  if (only === undefined) judge(target, outcome);
  return outcome;
}

function judge(target: Target, { runs, decoded, gates, worstMs, worst, grownMb }: Outcome): void {
  assert.ok(decoded * 3 >= runs, `"${target.name}": only ${decoded} of ${runs} inputs get past the first decoder`);
  for (const [gate, part] of Object.entries(target.least)) {
    const count = gates[gate] ?? 0;
    assert.ok(count >= part * runs, `"${target.name}": only ${count} of ${runs} inputs get to "${gate}"`);
  }
  assert.ok(worstMs < absurdMs, `"${target.name}": ${worstMs} ms for ${worst}`);
  assert.ok(grownMb === undefined || grownMb < maxGrownMb, `"${target.name}": the heap grew by ${grownMb} MB`);
}

function heapMb(): number | undefined {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (!collect) return undefined;
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}
