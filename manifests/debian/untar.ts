// How a tar is read: ustar, GNU long names and pax (path, linkpath, size, owners); every length is bounded before it is believed.
import { ManifestError } from '../error.ts';
import { ByteReader } from './byte-reader.ts';

/** One entry as it stands in the archive; `content` may be read once, before the next entry is asked for. */
export interface ReadEntry {
  /** Without "./" in front and without a slash at the end; "" is the root. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Where a link points: for a hard link, an earlier path of the archive. */
  readonly target: string;
  readonly content: AsyncIterable<Uint8Array>;
  /** Where its content begins, in bytes from the beginning of the archive. */
  readonly offset: number;
  /** `security.capability`, where it has one (pax SCHILY.xattr). */
  readonly capability: Buffer | undefined;
}

/** The largest package of Debian has about 100,000 files. */
const maxEntries = 500_000;
/** Linux itself takes no longer path. */
const maxPathBytes = 4096;
const maxPaxBytes = 64 * 1024;
const maxFileBytes = 8 * 1024 ** 3;

/** The entries of a tar, in its order. Throws `invalid-package` for damage, devices and paths that lead out. */
export function readTar(source: AsyncIterable<Uint8Array>): AsyncIterable<ReadEntry> {
  return readEntries(source, (flag, name) => {
    throw damaged(`"${name}", which is neither a file, a folder nor a link (type "${flag}")`);
  });
}

/** As `readTar`, for layers that others made: devices and pipes are there as empty files, since their path is all that is asked. */
export function readForeignTar(source: AsyncIterable<Uint8Array>): AsyncIterable<ReadEntry> {
  return readEntries(source, (flag, name) => {
    if ('346'.includes(flag)) return 'file';
    throw damaged(`"${name}" of the unknown type "${flag}"`);
  });
}

async function* readEntries(
  source: AsyncIterable<Uint8Array>,
  other: (flag: string, name: string) => ReadEntry['type'],
): AsyncIterable<ReadEntry> {
  await using reader = new ByteReader(source);
  let pax: ReadonlyMap<string, string> = new Map();
  let longName: string | undefined;
  let longTarget: string | undefined;
  for (let count = 0; ; ) {
    const header = await reader.take(512);
    // One block of zeros ends an archive; what follows is padding.
    if (header === undefined || header.every((byte) => byte === 0)) {
      await reader.drain();
      return;
    }
    checkSum(header);
    const flag = String.fromCharCode(header[156] ?? 0);
    // What describes the next entry has its own size only: a pax size is of the entry itself.
    const isExtension = 'xgLK'.includes(flag);
    const size = Number((isExtension ? undefined : pax.get('size')) ?? numberAt(header, 124, 12));
    if (!Number.isSafeInteger(size) || size < 0 || size > maxFileBytes) throw damaged(`a file of ${size} bytes`);
    if (isExtension) {
      const body = await takePadded(reader, size, flag === 'x' || flag === 'g' ? maxPaxBytes : maxPathBytes + 1);
      if (flag === 'x') pax = paxOf(body);
      else if (flag === 'L') longName = textOf(body, 0, body.length);
      else if (flag === 'K') longTarget = textOf(body, 0, body.length);
      continue;
    }
    count += 1;
    if (count > maxEntries) throw damaged(`more than ${maxEntries} entries`);
    const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textOf(header, 345, 155) : '';
    const plain = textOf(header, 0, 100);
    // A long name is cut in its header, there perhaps after a slash: only the whole says what it is of.
    const name = pax.get('path') ?? longName ?? (prefix === '' ? plain : `${prefix}/${plain}`);
    const entry = {
      path: safePath(name),
      type: typeOf(flag, name, other),
      mode: numberAt(header, 100, 8) & 0o7777,
      uid: Number(pax.get('uid') ?? numberAt(header, 108, 8)),
      gid: Number(pax.get('gid') ?? numberAt(header, 116, 8)),
      target: pax.get('linkpath') ?? longTarget ?? textOf(header, 157, 100),
      capability: bytesOf(pax.get(capabilityKey)),
    };
    if (!Number.isSafeInteger(entry.uid) || !Number.isSafeInteger(entry.gid))
      throw damaged('an owner that is no number');
    if (entry.type === 'hardlink') entry.target = safePath(entry.target);
    if (entry.type === 'symlink' && (entry.target === '' || entry.target.includes('\0')))
      throw damaged('an empty link');
    pax = new Map();
    longName = undefined;
    longTarget = undefined;
    const bodyBytes = entry.type === 'file' ? size : 0;
    const offset = reader.position;
    const end = offset + bodyBytes;
    yield { ...entry, size: bodyBytes, content: reader.stream(bodyBytes), offset };
    // What the caller left unread is passed over.
    for await (const _ of reader.stream(end - reader.position));
    await reader.take(paddingOf(bodyBytes));
    if (entry.type !== 'file' && size > 0) await takePadded(reader, size, maxPathBytes);
  }
}

function typeOf(
  flag: string,
  name: string,
  other: (flag: string, name: string) => ReadEntry['type'],
): ReadEntry['type'] {
  if (flag === '0' || flag === '\0' || flag === '7') return name.endsWith('/') ? 'directory' : 'file';
  if (flag === '1') return 'hardlink';
  if (flag === '2') return 'symlink';
  if (flag === '5') return 'directory';
  return other(flag, name);
}

async function takePadded(reader: ByteReader, size: number, most: number): Promise<Buffer> {
  if (size > most) throw damaged(`a header of ${size} bytes, at most ${most} are read`);
  const body = await reader.take(size + paddingOf(size));
  if (size > 0 && body === undefined) throw damaged('a header that ends too early');
  return (body ?? Buffer.alloc(0)).subarray(0, size);
}

function safePath(raw: string): string {
  const parts = raw.split('/').filter((part) => part !== '' && part !== '.');
  const path = parts.join('/');
  if (parts.includes('..') || path.includes('\0')) throw damaged(`the path "${raw}", which leads out of it`);
  if (Buffer.byteLength(path) > maxPathBytes) throw damaged(`a path of more than ${maxPathBytes} bytes`);
  return path;
}

const numbers = new Set(['size', 'uid', 'gid']);
const capabilityKey = 'SCHILY.xattr.security.capability';

/** Kept as Latin-1, in which every byte is a character. */
function bytesOf(latin1: string | undefined): Buffer | undefined {
  return latin1 === undefined ? undefined : Buffer.from(latin1, 'latin1');
}

/** `LENGTH key=value\n` records (POSIX pax). */
function paxOf(body: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', at, space));
    const end = at + length;
    if (!Number.isInteger(length) || end <= space || end > body.length || body[end - 1] !== 0x0a) {
      throw damaged('a pax header that is not well formed');
    }
    const bytes = body.subarray(space + 1, end - 1);
    const isXattr = bytes.toString('latin1', 0, 32).includes('.xattr.');
    const record = isXattr ? bytes.toString('latin1') : utf8(bytes);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    if (key.startsWith('GNU.sparse.')) throw damaged('a sparse file, which no package has');
    const value = record.slice(equals + 1);
    if (numbers.has(key) && !/^\d{1,16}$/.test(value)) throw damaged(`a pax "${key}" that is no number`);
    records.set(key, value);
    at = end;
  }
  return records;
}

function textOf(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return utf8(end < 0 ? field : field.subarray(0, end));
}

function utf8(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) throw damaged('a name that is not UTF-8');
  return text;
}

/** Octal text, or GNU's base-256 where the first bit is set. */
function numberAt(header: Buffer, start: number, length: number): number {
  const first = header[start] ?? 0;
  if (first >= 0x80) {
    let value = first & 0x7f;
    for (let at = start + 1; at < start + length; at += 1) value = value * 256 + (header[at] ?? 0);
    return value;
  }
  const text = header
    .toString('latin1', start, start + length)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (!/^[0-7]*$/.test(text)) throw damaged('a number that is not octal');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function checkSum(header: Buffer): void {
  let sum = 0;
  for (let at = 0; at < 512; at += 1) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  if (sum !== numberAt(header, 148, 8)) throw damaged('a header whose checksum is wrong');
}

function paddingOf(size: number): number {
  return (512 - (size % 512)) % 512;
}

function damaged(what: string): ManifestError {
  return new ManifestError('invalid-package', `Cannot read the tar: it holds ${what}`);
}
