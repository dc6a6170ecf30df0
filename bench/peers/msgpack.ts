// As much of MessagePack as Serf's RPC speaks: maps, arrays, text, bytes, integers, booleans and nil.

export type Value =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

/** Text and bytes both go as "raw", the older form, which is all that Serf's codec reads. */
export function encode(value: Value): Buffer {
  if (typeof value === 'string' || value instanceof Uint8Array) {
    const bytes = Buffer.from(value as string);
    const head =
      bytes.length < 32
        ? Buffer.from([0xa0 | bytes.length])
        : Buffer.from([0xda, bytes.length >> 8, bytes.length & 0xff]);
    return Buffer.concat([head, bytes]);
  }
  if (typeof value === 'number') {
    if (value >= 0 && value < 128) return Buffer.from([value]);
    const whole = Buffer.alloc(5, 0xce);
    whole.writeUInt32BE(value, 1);
    return whole;
  }
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2]);
  if (value === null) return Buffer.from([0xc0]);
  if (isList(value)) return Buffer.concat([Buffer.from([0x90 | value.length]), ...value.map(encode)]);
  const entries = Object.entries(value);
  return Buffer.concat([
    Buffer.from([0x80 | entries.length]),
    ...entries.flatMap(([key, one]) => [encode(key), encode(one)]),
  ]);
}

/** The first value of these bytes and where it ends, or undefined where it isn't whole yet. Raw is given as text. */
export function decode(bytes: Buffer, from = 0): { readonly value: Value; readonly end: number } | undefined {
  try {
    const reader = new Reader(bytes, from);
    const value = reader.value();
    return { value, end: reader.at };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

class Reader {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, from: number) {
    this.#bytes = bytes;
    this.at = from;
  }

  value(): Value {
    const tag = this.#unsigned(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 0x0f);
    if (tag < 0xa0) return this.#list(tag & 0x0f);
    if (tag < 0xc0) return this.#raw(tag & 0x1f);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xd9:
        return this.#raw(this.#unsigned(1));
      case 0xc5:
      case 0xda:
        return this.#raw(this.#unsigned(2));
      case 0xc6:
      case 0xdb:
        return this.#raw(this.#unsigned(4));
      case 0xcc:
      case 0xd0:
        return this.#unsigned(1);
      case 0xcd:
      case 0xd1:
        return this.#unsigned(2);
      case 0xce:
      case 0xd2:
        return this.#unsigned(4);
      case 0xcf:
      case 0xd3:
        return this.#unsigned(4) * 2 ** 32 + this.#unsigned(4);
      case 0xdc:
        return this.#list(this.#unsigned(2));
      case 0xdd:
        return this.#list(this.#unsigned(4));
      case 0xde:
        return this.#map(this.#unsigned(2));
      case 0xdf:
        return this.#map(this.#unsigned(4));
      default:
        throw new TypeError(`Cannot read MessagePack: byte 0x${tag.toString(16)} isn't known here`);
    }
  }

  #unsigned(sizeBytes: 1 | 2 | 4): number {
    const value = this.#bytes.readUIntBE(this.at, sizeBytes);
    this.at += sizeBytes;
    return value;
  }

  #raw(sizeBytes: number): string {
    if (this.at + sizeBytes > this.#bytes.length) throw new RangeError('not whole');
    const text = this.#bytes.toString('utf8', this.at, this.at + sizeBytes);
    this.at += sizeBytes;
    return text;
  }

  #list(length: number): Value[] {
    return Array.from({ length }, () => this.value());
  }

  #map(length: number): { [key: string]: Value } {
    return Object.fromEntries(Array.from({ length }, () => [String(this.value()), this.value()]));
  }
}

function isList(value: object): value is readonly Value[] {
  return Array.isArray(value);
}
