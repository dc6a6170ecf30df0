// The entries of a zip (PKWARE APPNOTE 6.3, with ZIP64), one by one: by its directory at the end, stored or deflated, bounded.
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { ManifestError } from '../../error.ts';

export interface ZipEntry {
  readonly name: string;
  /** The content; throws `too-large` above `maxBytes` and `invalid-package` where it isn't as its directory says. */
  read(maxBytes: number): Promise<Buffer>;
}

const inflate = promisify(inflateRaw);
const endBytes = 22;
const maxCommentBytes = 65_535;
/** Of the largest public database, with some room: each entry has about 100 bytes there. */
const maxDirectoryBytes = 512 * 1024 * 1024;
const pieceBytes = 1024 * 1024;
const marks = { entry: 0x02014b50, local: 0x04034b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 };

/** Throws `invalid-package` for what is no zip. */
export async function* readZip(handle: FileHandle, label: string): AsyncIterable<ZipEntry> {
  const fail = (what: string): never => {
    throw new ManifestError('invalid-package', `Cannot read "${label}": ${what}; bring a whole zip`);
  };
  const { size } = await handle.stat();
  const read = async (position: number, length: number): Promise<Buffer> => {
    const within = position >= 0 && length >= 0 && position + length <= size;
    if (!within) return fail('it is no zip, or cut off');
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await handle.read(bytes, 0, length, position);
    return bytesRead === length ? bytes : fail('it became shorter');
  };
  const tail = await read(Math.max(0, size - endBytes - maxCommentBytes), Math.min(size, endBytes + maxCommentBytes));
  const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (at < 0 || at + endBytes > tail.length) return fail('it is no zip');
  let count = tail.readUInt16LE(at + 10);
  let length = tail.readUInt32LE(at + 12);
  let offset = tail.readUInt32LE(at + 16);
  if (count === 0xffff || length === 0xffffffff || offset === 0xffffffff) {
    const locator = await read(size - tail.length + at - 20, 20);
    if (locator.readUInt32LE(0) !== marks.locator64) return fail('its directory is not where it says');
    const end = await read(Number(locator.readBigUInt64LE(8)), 56);
    if (end.readUInt32LE(0) !== marks.end64) return fail('its directory is not where it says');
    [count, length, offset] = [32, 40, 48].map((place) => Number(end.readBigUInt64LE(place))) as [
      number,
      number,
      number,
    ];
  }
  if (length > maxDirectoryBytes) return fail(`its directory has ${length} bytes`);
  // Read in pieces: an entry is whole where its fixed part and its names are here.
  let kept = Buffer.alloc(0);
  let next = offset;
  const need = async (bytes: number): Promise<void> => {
    while (kept.length < bytes) {
      const more = Math.min(pieceBytes, offset + length - next);
      if (more <= 0) return fail('its directory is cut off');
      kept = Buffer.concat([kept, await read(next, more)]);
      next += more;
    }
  };
  for (let index = 0; index < count; index += 1) {
    await need(46);
    if (kept.readUInt32LE(0) !== marks.entry) return fail('its directory is damaged');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((place) => kept.readUInt16LE(place)) as [
      number,
      number,
      number,
    ];
    const whole = 46 + nameBytes + extraBytes + commentBytes;
    await need(whole);
    const entry = entryOf(kept.subarray(0, whole), nameBytes, extraBytes);
    kept = kept.subarray(whole);
    yield {
      name: entry.name,
      async read(maxBytes) {
        if (entry.size > maxBytes || entry.packed > maxBytes)
          throw new ManifestError(
            'too-large',
            `Cannot read "${entry.name}" of "${label}": it has ${entry.size} bytes, at most ${maxBytes} are read`,
          );
        const head = await read(entry.offset, 30);
        if (head.readUInt32LE(0) !== marks.local) return fail(`"${entry.name}" is not where its directory says`);
        const packed = await read(entry.offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), entry.packed);
        if (entry.method === 0) return packed;
        if (entry.method !== 8) return fail(`"${entry.name}" is packed by method ${entry.method}`);
        // A bomb that says it is small ends at the bound.
        return await inflate(packed, { maxOutputLength: maxBytes }).catch(() =>
          fail(`"${entry.name}" cannot be unpacked`),
        );
      },
    };
  }
}

function entryOf(bytes: Buffer, nameBytes: number, extraBytes: number) {
  const wanted = { size: bytes.readUInt32LE(24), packed: bytes.readUInt32LE(20), offset: bytes.readUInt32LE(42) };
  const extra = bytes.subarray(46 + nameBytes, 46 + nameBytes + extraBytes);
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    // ZIP64: what has no room above stands here, in this order.
    let place = at + 4;
    for (const key of ['size', 'packed', 'offset'] as const) {
      if (wanted[key] !== 0xffffffff || place + 8 > extra.length) continue;
      wanted[key] = Number(extra.readBigUInt64LE(place));
      place += 8;
    }
  }
  return { ...wanted, name: bytes.toString('utf8', 46, 46 + nameBytes), method: bytes.readUInt16LE(10) };
}
