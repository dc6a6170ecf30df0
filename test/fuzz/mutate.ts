// Ways to spoil a message: its bytes, the CBOR they hold, and how that CBOR is written.
import fc from 'fast-check';
import { readValue } from '../../registry/wire.ts';

/** Fractions from 0 to 1. */
export type Chance = () => number;

export function below(chance: Chance, count: number): number {
  return Math.min(count - 1, Math.floor(chance() * count));
}

export function oneOf<Item>(chance: Chance, items: readonly Item[]): Item {
  return items[below(chance, items.length)] as Item;
}

/** The bytes after one to three harms: flipped bits, cuts, repeats, parts of another message, lengths that lie, nesting. */
export function spoilBytes(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  let spoilt: Buffer = Buffer.from(bytes);
  for (let harm = 1 + below(chance, 3); harm > 0; harm -= 1) spoilt = oneOf(chance, harms)(spoilt, other, chance);
  // As from a stream: bytes that stand alone in their buffer.
  return new Uint8Array(spoilt.subarray(0, maxSpoilt));
}

const maxSpoilt = 300_000;
/** Headers of CBOR that promise more than there is, or what is never read: lengths of 2^32, no end, tags, NaN. */
const lies = [
  '9bffffffffffffffff',
  'bb7fffffffffffffff',
  '5affffffff',
  '9f',
  'bf',
  '5f',
  'c2',
  'f97e00',
  'f7',
  'fbfff0000000000000',
  '3bffffffffffffffff',
];

const harms: readonly ((bytes: Buffer, other: Uint8Array, chance: Chance) => Buffer)[] = [
  flip,
  flip,
  flip,
  (bytes, _, chance) => bytes.subarray(0, below(chance, bytes.byteLength + 1)),
  (bytes, _, chance) => bytes.subarray(below(chance, bytes.byteLength + 1)),
  (bytes, _, chance) => {
    const at = below(chance, bytes.byteLength + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(chance, 40))]);
  },
  (bytes, other, chance) => {
    const from = below(chance, other.byteLength + 1);
    const part = other.subarray(from, from + 1 + below(chance, 120));
    const at = below(chance, bytes.byteLength + 1);
    const over = chance() < 0.5 ? part.byteLength : 0;
    return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + over)]);
  },
  (bytes, _, chance) => {
    const at = below(chance, bytes.byteLength + 1);
    const part = bytes.subarray(at, at + 1 + below(chance, 60));
    return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
  },
  (bytes, _, chance) => {
    const at = below(chance, bytes.byteLength + 1);
    const lie = Buffer.from(oneOf(chance, lies), 'hex');
    return Buffer.concat([bytes.subarray(0, at), lie, bytes.subarray(at + below(chance, lie.byteLength + 1))]);
  },
  (bytes, _, chance) => Buffer.concat([Buffer.alloc(1 + below(chance, 2_000), 0x81), bytes]),
];

function flip(bytes: Buffer, _: Uint8Array, chance: Chance): Buffer {
  const bent = Buffer.from(bytes);
  for (let count = 1 + below(chance, 4); count > 0 && bent.byteLength > 0; count -= 1) {
    const at = below(chance, bent.byteLength);
    bent[at] = (bent[at] ?? 0) ^ (1 << below(chance, 8));
  }
  return bent;
}

/** Values of every kind that a field may not expect, made by fast-check; plain data that CBOR can hold. */
export function oddValues(seed: number): readonly unknown[] {
  const leaf = fc.oneof(
    fc.integer(),
    fc.maxSafeNat(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 70 }),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('__proto__', 'constructor', 'toString', '\u0000', '\u202e', '../..', 'ſ', 'x'.repeat(5_000)),
    fc.constantFrom(-1, -0, 0, 2 ** 53, -(2 ** 53), 2 ** 31, 2 ** 32, 1.5, Number.MAX_SAFE_INTEGER, 1e308),
    fc.constantFrom(2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)),
    fc.constantFrom(new Uint8Array(32), new Uint8Array(64), new Uint8Array(16), new Uint8Array(20_000)),
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  return fc.sample(value, { seed, numRuns: 400 });
}

/** The value with one to three things in it changed, somewhere; what was given stays as it is. */
export function spoilValue(value: unknown, odd: readonly unknown[], chance: Chance): unknown {
  let spoilt = value;
  for (let count = chance() < 0.7 ? 1 : 2 + below(chance, 2); count > 0; count -= 1)
    spoilt = spoil(spoilt, odd, chance);
  return spoilt;
}

function spoil(value: unknown, odd: readonly unknown[], chance: Chance): unknown {
  if (value instanceof Uint8Array) return spoilBlob(value, odd, chance);
  if (Array.isArray(value)) return spoilList(value, odd, chance);
  if (typeof value === 'object' && value !== null) return spoilMap(value as Record<string, unknown>, odd, chance);
  if (chance() < 0.3) return oneOf(chance, odd);
  if (typeof value === 'string') return spoilText(value, chance);
  if (typeof value === 'number') {
    return oneOf(chance, [
      value + 1,
      value - 1,
      -value,
      0,
      1,
      value * 2,
      value / 2,
      value + 2 ** 40,
      Number.MAX_SAFE_INTEGER,
    ]);
  }
  return typeof value === 'boolean' ? !value : oneOf(chance, odd);
}

function spoilList(list: readonly unknown[], odd: readonly unknown[], chance: Chance): unknown {
  const at = below(chance, Math.max(1, list.length));
  if (list.length > 0 && chance() < 0.75) return list.with(at, spoil(list[at], odd, chance));
  const other = list[below(chance, Math.max(1, list.length))];
  return oneOf<() => unknown>(chance, [
    () => list.toSpliced(at, 1),
    () => list.toSpliced(at, 0, other ?? oneOf(chance, odd)),
    () => list.toSpliced(at, 0, oneOf(chance, odd)),
    () => [],
    () => list.toReversed(),
    () => Array.from({ length: 1 + below(chance, 300) }, () => list[at] ?? null),
    () => Array.from({ length: 1 + below(chance, 3_000) }, () => oneOf(chance, [null, 0, other])),
    () => oneOf(chance, odd),
  ])();
}

function spoilMap(map: Readonly<Record<string, unknown>>, odd: readonly unknown[], chance: Chance): unknown {
  const keys = Object.keys(map);
  const key = keys.length > 0 ? oneOf(chance, keys) : 'x';
  if (keys.length > 0 && chance() < 0.75) return { ...map, [key]: spoil(map[key], odd, chance) };
  return oneOf<() => unknown>(chance, [
    () => Object.fromEntries(Object.entries(map).filter(([each]) => each !== key)),
    () => ({ ...map, [oneOf(chance, ['extra', '__proto__', '', 'type'])]: oneOf(chance, odd) }),
    () => ({ ...map, [key]: map[oneOf(chance, keys.length > 0 ? keys : ['x'])] ?? null }),
    () => ({ ...map, [key]: oneOf(chance, odd) }),
    () => oneOf(chance, odd),
  ])();
}

/** Bytes may hold CBOR of their own, as signed bodies and deltas do. */
function spoilBlob(bytes: Uint8Array, odd: readonly unknown[], chance: Chance): unknown {
  const inner = bytes.byteLength > 8 && chance() < 0.6 ? readValue(bytes) : undefined;
  if (typeof inner === 'object' && inner !== null) return encode(spoil(inner, odd, chance), chance, 0);
  return oneOf<() => unknown>(chance, [
    () => new Uint8Array(flip(Buffer.from(bytes), bytes, chance)),
    () => new Uint8Array(flip(Buffer.from(bytes), bytes, chance)),
    () => bytes.slice(0, below(chance, bytes.byteLength + 1)),
    () => new Uint8Array([...bytes.subarray(0, 100), 0]),
    () => new Uint8Array(bytes.byteLength),
    () => new Uint8Array(bytes.byteLength).fill(0xff),
    () => oneOf(chance, odd),
  ])();
}

function spoilText(text: string, chance: Chance): string {
  const at = below(chance, text.length + 1);
  const letter = oneOf(chance, ['a', 'Z', '0', ' ', '@', '\n', '\u0000', 'é', '\u202e', '-']);
  return oneOf(chance, [
    text.slice(0, at),
    text.slice(0, at) + letter + text.slice(at + 1),
    text + text,
    '',
    `${text}${letter}`,
  ]);
}

/** CBOR of the value; at that rate an item is written as a strict reader refuses: long lengths, twice a key, tags, no end. */
export function encode(value: unknown, chance: Chance, rate: number): Uint8Array {
  const parts: Uint8Array[] = [];
  write(value, parts, chance, rate);
  return new Uint8Array(Buffer.concat(parts));
}

function write(value: unknown, parts: Uint8Array[], chance: Chance, rate: number): void {
  const isOdd = rate > 0 && chance() < rate;
  if (isOdd && chance() < 0.2) parts.push(Uint8Array.of(0xc1));
  if (value instanceof Uint8Array) parts.push(head(2, value.byteLength, isOdd), value);
  else if (typeof value === 'string') {
    const text = Buffer.from(value.toWellFormed());
    parts.push(head(3, text.byteLength, isOdd), text);
  } else if (Array.isArray(value)) {
    const isEndless = isOdd && chance() < 0.5;
    parts.push(isEndless ? Uint8Array.of(0x9f) : head(4, value.length, isOdd));
    for (const each of value) write(each, parts, chance, rate);
    if (isEndless) parts.push(Uint8Array.of(0xff));
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, each]) => each !== undefined);
    if (isOdd && entries[0]) entries.push(entries[0]);
    if (rate === 0) entries.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
    parts.push(head(5, entries.length, false));
    for (const [key, each] of entries) {
      write(key, parts, chance, rate);
      write(each, parts, chance, rate);
    }
  } else if (
    typeof value === 'bigint' ||
    (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0))
  ) {
    const whole = BigInt(value);
    parts.push(whole < 0n ? head(1, -1n - whole, isOdd) : head(0, whole, isOdd));
  } else if (typeof value === 'number') {
    const float = Buffer.alloc(9, 0xfb);
    float.writeDoubleBE(value, 1);
    parts.push(float);
  } else parts.push(Uint8Array.of(value === true ? 0xf5 : value === false ? 0xf4 : value === null ? 0xf6 : 0xf7));
}

function head(major: number, count: number | bigint, isLong: boolean): Uint8Array {
  const first = major << 5;
  const size = BigInt(count);
  if (isLong || size > 0xffffffffn) {
    const long = Buffer.alloc(9, first | 27);
    long.writeBigUInt64BE(BigInt.asUintN(64, size), 1);
    return long;
  }
  const small = Number(size);
  if (small < 24) return Uint8Array.of(first | small);
  if (small < 256) return Uint8Array.of(first | 24, small);
  if (small < 65_536) return Uint8Array.of(first | 25, small >> 8, small & 255);
  const wide = Buffer.alloc(5, first | 26);
  wide.writeUInt32BE(small, 1);
  return wide;
}
