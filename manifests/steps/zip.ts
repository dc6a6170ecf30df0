// How the hash of a Go module's zip is made (golang.org/x/mod/sumdb/dirhash, Hash1): over the names and contents of its files.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { ManifestError } from '../error.ts';
import { readRange } from '../layers.ts';

/** As cmd/go bounds a module's zip. */
const maxUnpackedBytes = 500 * 1024 ** 2;
const maxFiles = 200_000;
const maxDirectoryBytes = 64 * 1024 ** 2;
/** The end record and the longest comment. */
const maxEndBytes = 22 + 65_535;

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly packedBytes: number;
  readonly at: number;
}

/** The `h1:` hash, as hexadecimal digits. Throws `invalid-package` for what is no such zip. */
export async function hashOfZip(handle: FileHandle, sizeBytes: number): Promise<string> {
  const sums: string[] = [];
  let unpacked = 0;
  const entries = (await entriesOf(handle, sizeBytes)).sort((left, right) =>
    Buffer.compare(Buffer.from(left.name), Buffer.from(right.name)),
  );
  for (const entry of entries) {
    const hash = createHash('sha256');
    for await (const chunk of contentOf(handle, entry)) {
      unpacked += chunk.length;
      if (unpacked > maxUnpackedBytes) throw damaged(`unpacks to more than ${maxUnpackedBytes} bytes`);
      hash.update(chunk);
    }
    sums.push(`${hash.digest('hex')}  ${entry.name}\n`);
  }
  return createHash('sha256').update(sums.join('')).digest('hex');
}

/** The `h1:` hash of a go.mod alone. */
export function hashOfGoMod(content: Uint8Array): string {
  const sum = createHash('sha256').update(content).digest('hex');
  return createHash('sha256').update(`${sum}  go.mod\n`).digest('hex');
}

async function entriesOf(handle: FileHandle, sizeBytes: number): Promise<ZipEntry[]> {
  const tail = await take(handle, Math.max(0, sizeBytes - maxEndBytes), Math.min(sizeBytes, maxEndBytes));
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > tail.length) throw damaged('has no end record');
  const count = tail.readUInt16LE(end + 10);
  const length = tail.readUInt32LE(end + 12);
  const start = tail.readUInt32LE(end + 16);
  if (count > maxFiles || length > maxDirectoryBytes || start + length > sizeBytes)
    throw damaged('has a directory beyond its end');
  const directory = await take(handle, start, length);
  const entries: ZipEntry[] = [];
  for (let at = 0; at + 46 <= directory.length && entries.length < count; ) {
    if (directory.readUInt32LE(at) !== 0x02014b50) throw damaged('has a directory that is not well formed');
    const nameBytes = directory.readUInt16LE(at + 28);
    const next = at + 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    const name = directory.toString('utf8', at + 46, at + 46 + nameBytes);
    if (name.includes('\n')) throw damaged('has a name with a line break');
    const packedBytes = directory.readUInt32LE(at + 20);
    const method = directory.readUInt16LE(at + 10);
    entries.push({ name, method, packedBytes, at: directory.readUInt32LE(at + 42) });
    at = next;
  }
  if (entries.length !== count) throw damaged('has fewer files than it says');
  return entries;
}

async function* contentOf(handle: FileHandle, entry: ZipEntry): AsyncIterable<Uint8Array> {
  const header = await take(handle, entry.at, 30);
  if (header.readUInt32LE(0) !== 0x04034b50) throw damaged(`has no "${entry.name}"`);
  const start = entry.at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const packed = readRange(handle, start, entry.packedBytes);
  if (entry.method === 0) yield* packed;
  else if (entry.method !== 8) throw damaged(`packs "${entry.name}" by method ${entry.method}`);
  else {
    try {
      const inflate = createInflateRaw();
      // As `compose` would do, but that throws the fault of a part that is cut at nobody.
      pipeline(Readable.from(packed), inflate, () => {});
      yield* inflate as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw damaged(`has a damaged "${entry.name}"`, error);
    }
  }
}

async function take(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.concat(await Array.fromAsync(readRange(handle, at, length)));
  if (bytes.length !== length) throw damaged('ends too early');
  return bytes;
}

function damaged(state: string, cause?: unknown): ManifestError {
  return new ManifestError('invalid-package', `Cannot read the zip of a module: it ${state}`, { cause });
}
