// How values become bytes here: deterministic CBOR (RFC 8949), read strictly and never beyond a bound.
import { hash } from 'node:crypto';
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { z } from 'zod';
import { RegistryError } from './registry-error.ts';

/** The same value gives the same bytes everywhere; keys whose value is undefined are left out. */
export function toBytes(value: unknown): Uint8Array {
  return encode(value, encodeOptions);
}

const encodeOptions = { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true };

/** The value that the bytes hold in the shape of the schema, or undefined where size, form or shape is wrong. */
export function fromBytes<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
  maxBytes: number,
): z.output<Schema> | undefined {
  return bytes.byteLength > maxBytes ? undefined : inShape(schema, readValue(bytes));
}

function inShape<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> | undefined {
  try {
    const parsed = value === undefined ? undefined : schema.safeParse(value);
    return parsed?.success ? parsed.data : undefined;
  } catch {
    // A schema may stumble over a value of another kind than it takes: `z.readonly` freezes bytes, which throws.
    return undefined;
  }
}

/** The same for a request of another stack; throws `refused`. */
export function readRequest<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
  maxBytes: number,
): z.output<Schema> {
  const read = fromBytes(schema, bytes, maxBytes);
  if (read !== undefined) return read;
  throw new RegistryError('refused', 'Cannot read the request: it is none of this protocol');
}

/**
 * The same for bytes that are signed or hashed: they must be the very ones that the value has here, or two stacks could tell
 * one thing apart that is the same, such as by keys in another order, a float for an integer, or text that isn't UTF-8.
 */
export function fromSignedBytes<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
  maxBytes: number,
): z.output<Schema> | undefined {
  if (bytes.byteLength > maxBytes) return undefined;
  const value = readValue(bytes);
  return value === undefined || !sameBytes(toBytes(value), bytes) ? undefined : inShape(schema, value);
}

/** The value without a shape, or undefined where the bytes aren't strict CBOR. */
export function readValue(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowNaN: false,
      allowInfinity: false,
      rejectDuplicateMapKeys: true,
    });
  } catch {
    return undefined;
  }
}

/** The schema of bytes: of exactly that length, or of at most `maxBytes`. */
export function bytesSchema(length: number | { readonly maxBytes: number }): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) =>
      value instanceof Uint8Array &&
      (typeof length === 'number' ? value.byteLength === length : value.byteLength <= length.maxBytes),
  );
}

/** SHA-256 of the parts in their order, 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array()] = parts;
  // A string that is written into a slab takes less time than a buffer of its own.
  const digest = hash('sha256', parts.length === 1 ? first : Buffer.concat(parts), 'binary');
  if (slabAt === slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    slabAt = 0;
  }
  slab.write(digest, slabAt, hashBytes, 'latin1');
  slabAt += hashBytes;
  return new Uint8Array(slab.buffer, slabAt - hashBytes, hashBytes);
}

const hashBytes = 32;
/**
 * Hashes share slabs with hashes alone: a trie keeps some for as long as its records live, and one that is kept keeps its whole
 * slab. In Node's pool that would be 64 KiB, most of it messages that are gone.
 */
const slabBytes = 128 * hashBytes;
let slab = Buffer.allocUnsafeSlow(slabBytes);
let slabAt = 0;

/** Whether both hold the same bytes; for public values, as it isn't of constant time. */
export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** Lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** The first items whose bytes fit together. */
export function fit<Item>(all: readonly Item[], maxBytes: number, bytesOf: (item: Item) => Uint8Array): Item[] {
  let size = 0;
  const end = all.findIndex((item) => {
    size += bytesOf(item).byteLength;
    return size > maxBytes;
  });
  return end < 0 ? [...all] : all.slice(0, end);
}
