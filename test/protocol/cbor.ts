// This room alone knows the deterministic CBOR of the protocol (docs/protocol.md, section 1).
import { insist, Refusal } from './refusal.ts';

/** What a message is made of: integers from 0 to 2^53 - 1, texts, bytes, and arrays and maps of these. */
export type Value = number | string | boolean | null | Uint8Array | readonly Value[] | ValueMap;
/** A map as it travels, in any order of its keys. */
export type ValueMap = ReadonlyMap<string, Value>;

/** What `encode` takes: a value, with plain objects for maps; a key that is undefined is left out. */
export type Encodable =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly Encodable[]
  | { readonly [key: string]: Encodable | undefined };

/** Deeper nesting than any message of the protocol has, so that a hostile one can't exhaust the stack. */
const maxDepth = 32;

/** The one encoding of a value: shortest integers and lengths, keys in the order of their encoded bytes. */
export function encode(value: Encodable): Uint8Array {
  return new Uint8Array(Buffer.concat(partsOf(value)));
}

/** Reads one value and refuses what is not the protocol's CBOR; the order of keys only where it is `ordered`. */
export function decode(bytes: Uint8Array, { ordered = false } = {}): Value {
  const reader = new Reader(bytes, ordered);
  const value = reader.value(0);
  insist(reader.isAtEnd(), 'cbor', 'bytes are left over');
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #ordered: boolean;
  #at = 0;

  constructor(bytes: Uint8Array, ordered: boolean) {
    this.#bytes = bytes;
    this.#ordered = ordered;
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): Value {
    insist(depth <= maxDepth, 'cbor', 'nested too deeply');
    const first = this.#take(1)[0] ?? 0;
    const major = first >> 5;
    const low = first & 31;
    if (major === 7) return simple(low);
    insist(major !== 1, 'cbor', 'an integer below zero');
    insist(major !== 6, 'cbor', 'a tag');
    const length = this.#argument(low);
    if (major === 0) return length;
    if (major === 2) return this.#take(length);
    if (major === 3) return this.#text(length);
    insist(length <= this.#bytes.length - this.#at, 'cbor', 'cut short');
    if (major === 4) return Array.from({ length }, () => this.value(depth + 1));
    return this.#map(length, depth + 1);
  }

  #map(length: number, depth: number): ValueMap {
    const map = new Map<string, Value>();
    let before: Uint8Array | undefined;
    for (let left = length; left > 0; left--) {
      const start = this.#at;
      const key = this.value(depth);
      insist(typeof key === 'string', 'cbor', 'a key is no text');
      const encoded = this.#bytes.subarray(start, this.#at);
      insist(!map.has(key), 'cbor', `the key "${key}" stands twice`);
      const follows = !before || Buffer.compare(before, encoded) < 0;
      insist(follows || !this.#ordered, 'order', `the key "${key}" stands too late`);
      before = encoded;
      map.set(key, this.value(depth));
    }
    return map;
  }

  #argument(low: number): number {
    if (low < 24) return low;
    insist(low !== 31, 'cbor', 'an indefinite length');
    insist(low < 28, 'cbor', 'a reserved length');
    const size = 1 << (low - 24);
    const bytes = this.#take(size);
    const number = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    const least = size === 1 ? 24n : 1n << BigInt(size * 4);
    insist(number >= least, 'cbor', 'an integer or a length is not the shortest');
    insist(number <= BigInt(Number.MAX_SAFE_INTEGER), 'cbor', 'an integer above 2^53 - 1');
    return Number(number);
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new Refusal('cbor', 'a text is not UTF-8', { cause });
    }
  }

  #take(length: number): Uint8Array {
    insist(length <= this.#bytes.length - this.#at, 'cbor', 'cut short');
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }
}

function simple(low: number): boolean | null {
  if (low === 20) return false;
  if (low === 21) return true;
  if (low === 22) return null;
  if (low === 23) throw new Refusal('cbor', 'undefined');
  if (low >= 25 && low <= 27) throw new Refusal('cbor', 'a float');
  throw new Refusal('cbor', 'a simple value without a meaning');
}

function partsOf(value: Encodable): Uint8Array[] {
  if (value === null) return [Uint8Array.of(0xf6)];
  if (typeof value === 'boolean') return [Uint8Array.of(value ? 0xf5 : 0xf4)];
  if (typeof value === 'number') return [head(0, value)];
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return [head(3, bytes.length), bytes];
  }
  if (value instanceof Uint8Array) return [head(2, value.length), value];
  if (isList(value)) return [head(4, value.length), ...value.flatMap(partsOf)];
  const pairs = Object.entries(value)
    .flatMap(([key, inner]) => (inner === undefined ? [] : [{ key: encode(key), inner }]))
    .sort((one, other) => Buffer.compare(one.key, other.key));
  return [head(5, pairs.length), ...pairs.flatMap(({ key, inner }) => [key, ...partsOf(inner)])];
}

function isList(value: Encodable): value is readonly Encodable[] {
  return Array.isArray(value);
}

function head(major: number, count: number): Uint8Array {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`Cannot encode ${count}: no integer from 0`);
  const first = major << 5;
  if (count < 24) return Uint8Array.of(first | count);
  if (count < 0x100) return Uint8Array.of(first | 24, count);
  const bytes = Buffer.alloc(9);
  bytes.writeBigUInt64BE(BigInt(count), 1);
  const size = count < 0x10000 ? 2 : count < 0x100000000 ? 4 : 8;
  const at = 8 - size;
  bytes[at] = first | (size === 2 ? 25 : size === 4 ? 26 : 27);
  return bytes.subarray(at);
}
