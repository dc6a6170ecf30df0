// The bytes of a canonical tar: those of GNU tar with --sort=name --mtime=@0 --numeric-owner --format=ustar -b1 (POSIX ustar, pax where it can't).
import { ManifestError } from './error.ts';

/** One entry; `path` has no slash at its ends. Directories and links have no content. */
export type TarEntry = TarOwner & { readonly path: string } & (
    | { readonly type: 'directory' }
    | { readonly type: 'symlink'; readonly target: string }
    | {
        readonly type: 'file';
        readonly size: number;
        readonly content: () => AsyncIterable<Uint8Array>;
        /** `security.capability`, kept as GNU tar's --xattrs does (pax SCHILY.xattr). */
        readonly capability?: Uint8Array;
      }
  );

/** Permission bits (07777) and numeric owners, written as they are. */
export interface TarOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const blockBytes = 512;
/** What ustar's octal fields hold at most. */
const maxUstarId = 0o7777777;
const maxUstarSize = 0o77777777777;

/**
 * The tar of the entries, in the order of their path's parts; parents that are missing are added as 0755 root. All have one time.
 * Throws `source-changed` where a content isn't as long as its entry says.
 */
export async function* writeTar(
  entries: Iterable<TarEntry>,
  { epochSeconds = 0 }: { readonly epochSeconds?: number } = {},
): AsyncIterable<Uint8Array> {
  for (const entry of inOrder(entries)) {
    yield headerOf(entry, epochSeconds);
    if (entry.type !== 'file') continue;
    let written = 0;
    for await (const chunk of entry.content()) {
      written += chunk.length;
      if (written > entry.size) break;
      yield chunk;
    }
    if (written !== entry.size) {
      throw new ManifestError('source-changed', `Cannot pack "${entry.path}": it changed while it was read`, {
        mayRetry: true,
      });
    }
    yield Buffer.alloc(paddingOf(entry.size));
  }
  yield Buffer.alloc(2 * blockBytes);
}

/** In the order of the paths' parts by their UTF-8 bytes, as GNU tar's --sort=name in the C locale. */
export function sortByPath<Item extends { readonly path: string }>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, key: Buffer.from(item.path.replaceAll('/', '\0')) }))
    .sort((left, right) => Buffer.compare(left.key, right.key))
    .map(({ item }) => item);
}

function inOrder(entries: Iterable<TarEntry>): TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) byPath.set(entry.path, entry);
  for (const path of [...byPath.keys()]) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end);
      if (!byPath.has(parent)) byPath.set(parent, { path: parent, type: 'directory', mode: 0o755, uid: 0, gid: 0 });
    }
  }
  return sortByPath([...byPath.values()]);
}

function headerOf(entry: TarEntry, time: number): Buffer {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const target = entry.type === 'symlink' ? entry.target : '';
  const size = entry.type === 'file' ? entry.size : 0;
  const split = splitPath(path);
  const records = [
    split === undefined && paxRecord('path', path),
    Buffer.byteLength(target) > 100 && paxRecord('linkpath', target),
    size > maxUstarSize && paxRecord('size', String(size)),
    entry.uid > maxUstarId && paxRecord('uid', String(entry.uid)),
    entry.gid > maxUstarId && paxRecord('gid', String(entry.gid)),
    entry.type === 'file' &&
      entry.capability !== undefined &&
      paxRecord('SCHILY.xattr.security.capability', entry.capability),
  ].filter((record) => record !== false);
  const header = block({
    name: split?.name ?? Buffer.from(path).subarray(0, 100),
    prefix: split?.prefix ?? Buffer.alloc(0),
    mode: entry.mode,
    uid: entry.uid > maxUstarId ? 0 : entry.uid,
    gid: entry.gid > maxUstarId ? 0 : entry.gid,
    size: size > maxUstarSize ? 0 : size,
    flag: { file: '0', symlink: '2', directory: '5' }[entry.type],
    target: Buffer.from(target).subarray(0, 100),
    time,
  });
  if (records.length === 0) return header;
  const pax = Buffer.concat(records);
  const paxHeader = block({
    name: Buffer.from('././@PaxHeader'),
    prefix: Buffer.alloc(0),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: pax.length,
    flag: 'x',
    target: Buffer.alloc(0),
    time,
  });
  return Buffer.concat([paxHeader, pax, Buffer.alloc(paddingOf(pax.length)), header]);
}

/** ustar's name (100 bytes) and prefix (155), cut at the last slash that fits, as GNU tar cuts; undefined where none does. */
function splitPath(path: string): { name: Buffer; prefix: Buffer } | undefined {
  const bytes = Buffer.from(path);
  if (bytes.length <= 100) return { name: bytes, prefix: Buffer.alloc(0) };
  if (bytes.length > 256) return undefined;
  const end = bytes.length > 156 ? 156 : bytes.at(-1) === 0x2f ? bytes.length - 1 : bytes.length;
  const cut = bytes.subarray(0, end).lastIndexOf(0x2f);
  const name = bytes.subarray(cut + 1);
  return cut <= 0 || name.length === 0 || name.length > 100 ? undefined : { name, prefix: bytes.subarray(0, cut) };
}

interface Fields extends TarOwner {
  readonly name: Buffer;
  readonly prefix: Buffer;
  readonly size: number;
  readonly flag: string;
  readonly target: Buffer;
  readonly time: number;
}

function block(fields: Fields): Buffer {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  fields.name.copy(header, 0);
  octal(fields.mode & 0o7777, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.time, 136, 11);
  header.write(fields.flag, 156, 'latin1');
  fields.target.copy(header, 157);
  header.write('ustar\x0000', 257, 'latin1');
  // GNU tar leaves the device of a pax header empty.
  for (const at of fields.flag === 'x' ? [] : [329, 337]) octal(0, at, 7);
  fields.prefix.copy(header, 345);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** `LENGTH key=value\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([
    Buffer.from(` ${key}=`),
    typeof value === 'string' ? Buffer.from(value) : value,
    Buffer.from('\n'),
  ]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}
