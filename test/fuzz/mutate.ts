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
  const known = made.get(seed) ?? makeOddValues(seed);
  made.set(seed, known);
  return known;
}

const made = new Map<number, readonly unknown[]>();

function makeOddValues(seed: number): readonly unknown[] {
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
    () => Array.from({ length: 1 + below(chance, most(list[at], 300)) }, () => list[at] ?? null),
    () => Array.from({ length: 1 + below(chance, most(other, 3_000)) }, () => oneOf(chance, [null, 0, other])),
    () => oneOf(chance, odd),
  ])();
}

/** What is repeated may get longer than any bound of a message, and no longer than tells something. */
function most(item: unknown, count: number): number {
  const isLong = item instanceof Uint8Array || typeof item === 'string';
  return Math.min(count, Math.ceil(maxRepeated / (isLong ? item.length + 1 : 200)));
}

const maxRepeated = 1_500_000;

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
  used = 0;
  write(value, chance, rate);
  const bytes = new Uint8Array(page.subarray(0, used));
  if (page.byteLength > maxPage) page = Buffer.alloc(maxPage);
  return bytes;
}

/** What is written goes here first: a buffer for each item would cost more than the parsers do. */
const maxPage = 1024 * 1024;
/** More than any stream hands over: what is repeated within what is repeated is cut off there. */
const maxEncoded = 4 * 1024 * 1024;
let page = Buffer.alloc(maxPage);
let used = 0;

function room(sizeBytes: number): void {
  if (used + sizeBytes > page.byteLength) page = Buffer.concat([page, Buffer.alloc(page.byteLength + sizeBytes)]);
}

function put(bytes: Uint8Array): void {
  room(bytes.byteLength);
  page.set(bytes, used);
  used += bytes.byteLength;
}

function put8(byte: number): void {
  room(1);
  page[used++] = byte;
}

function write(value: unknown, chance: Chance, rate: number): void {
  if (used > maxEncoded) return;
  const isOdd = rate > 0 && chance() < rate;
  if (isOdd && chance() < 0.2) put8(0xc1);
  if (value instanceof Uint8Array) {
    head(2, value.byteLength, isOdd);
    put(value);
  } else if (typeof value === 'string') {
    const text = Buffer.from(value.toWellFormed());
    head(3, text.byteLength, isOdd);
    put(text);
  } else if (Array.isArray(value)) {
    const isEndless = isOdd && chance() < 0.5;
    if (isEndless) put8(0x9f);
    else head(4, value.length, isOdd);
    for (const each of value) write(each, chance, rate);
    if (isEndless) put8(0xff);
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, each]) => each !== undefined);
    if (isOdd && entries[0]) entries.push(entries[0]);
    if (rate === 0) entries.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
    head(5, entries.length, false);
    for (const [key, each] of entries) {
      write(key, chance, rate);
      write(each, chance, rate);
    }
  } else if (typeof value === 'bigint') {
    head(value < 0n ? 1 : 0, value < 0n ? -1n - value : value, isOdd);
  } else if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)) {
    head(value < 0 ? 1 : 0, value < 0 ? -1 - value : value, isOdd);
  } else if (typeof value === 'number') {
    put8(0xfb);
    room(8);
    used = page.writeDoubleBE(value, used);
  } else put8(value === true ? 0xf5 : value === false ? 0xf4 : value === null ? 0xf6 : 0xf7);
}

function head(major: number, count: number | bigint, isLong: boolean): void {
  const first = major << 5;
  room(9);
  if (isLong || count > 0xffffffff) {
    page[used] = first | 27;
    used = page.writeBigUInt64BE(BigInt.asUintN(64, BigInt(count)), used + 1);
    return;
  }
  const small = Number(count);
  if (small < 24) page[used++] = first | small;
  else if (small < 256) used = page.writeUInt16BE(((first | 24) << 8) | small, used);
  else {
    const isShort = small < 65_536;
    page[used] = first | (isShort ? 25 : 26);
    used = isShort ? page.writeUInt16BE(small, used + 1) : page.writeUInt32BE(small, used + 1);
  }
}
