// What Go says of modules: go.sum, go.mod, and the build information inside a binary (debug/buildinfo, Go 1.18 and later).
import type { Component } from './component.ts';

/** go.sum: modules whose content was fetched; lines of "/go.mod" alone are of versions that were only weighed. */
export function readGoSum(text: string): Component[] {
  return text.split('\n').flatMap((line) => {
    const [path, version] = line.trim().split(/\s+/);
    return path && version && !version.endsWith('/go.mod') ? [moduleOf(path, version)] : [];
  });
}

/** go.mod: what is required, directly or not. */
export function readGoMod(text: string): Component[] {
  const lines = text.split('\n').map((line) => line.replace(/\/\/.*$/, '').trim());
  let block: string | undefined;
  return lines.flatMap((line) => {
    const opened = /^(\w+)\s*\($/.exec(line);
    if (opened) block = opened[1];
    else if (line === ')') block = undefined;
    const rest = block === 'require' ? line : /^require\s+(?!\()(.+)$/.exec(line)?.[1];
    const [, path, version] = /^(\S+)\s+(v\S+)$/.exec(rest ?? '') ?? [];
    return path !== undefined && version !== undefined ? [moduleOf(path, version)] : [];
  });
}

const magic = Buffer.from('\xff Go buildinf:', 'latin1');

/** The modules of a binary, from the bytes of its section ".go.buildinfo"; the standard library is a module, too. */
export function readBuildInfo(section: Uint8Array): Component[] {
  const bytes = Buffer.from(section.buffer, section.byteOffset, section.byteLength);
  const at = bytes.indexOf(magic);
  // Bit 1 says that the texts follow in the section; before Go 1.18 they lie behind pointers.
  if (at < 0 || ((bytes[at + 15] ?? 0) & 2) === 0) return [];
  const [go, afterGo] = textAt(bytes, at + 32);
  const [information] = textAt(bytes, afterGo);
  const standard = /^go(\d\S*)/.exec(go)?.[1];
  const modules: Component[] = standard === undefined ? [] : [moduleOf('stdlib', standard)];
  for (const line of information.split('\n')) {
    const [word, path, version] = line.split('\t');
    // A replacement stands below what it replaces.
    if (word === '=>') modules.pop();
    if ((word === 'dep' || word === '=>') && path && version?.startsWith('v')) modules.push(moduleOf(path, version));
  }
  return modules;
}

/** A text with its length before it, as a varint. */
function textAt(bytes: Buffer, at: number): [string, number] {
  let length = 0;
  let end = at;
  for (let shift = 0; shift < 28; shift += 7, end += 1) {
    const byte = bytes[end] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return [bytes.toString('utf8', end + 1, end + 1 + length), end + 1 + length];
}

/** Where a section of an ELF file (64 bit, little endian) lies; `read` gives ranges of the file. */
export async function findElfSection(
  name: string,
  read: (offset: number, length: number) => Promise<Buffer>,
): Promise<{ readonly offset: number; readonly length: number } | undefined> {
  const head = await read(0, 64);
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined;
  const table = Number(head.readBigUInt64LE(40));
  const [size, count, names] = [head.readUInt16LE(58), head.readUInt16LE(60), head.readUInt16LE(62)];
  if (size !== 64 || count === 0 || count > maxSections || names >= count) return undefined;
  const headers = await read(table, size * count);
  if (headers.length < size * count) return undefined;
  const placeOf = (index: number) => ({
    offset: Number(headers.readBigUInt64LE(index * size + 24)),
    length: Number(headers.readBigUInt64LE(index * size + 32)),
  });
  const strings = placeOf(names);
  if (strings.length > maxNamesBytes) return undefined;
  const texts = await read(strings.offset, strings.length);
  for (let index = 0; index < count; index += 1) {
    const at = headers.readUInt32LE(index * size);
    if (texts.toString('latin1', at, at + name.length + 1) === `${name}\0`) return placeOf(index);
  }
  return undefined;
}

/** Compilers make some dozens of sections; more is no binary of theirs. */
const maxSections = 200;
const maxNamesBytes = 64 * 1024;

function moduleOf(path: string, version: string): Component {
  const slash = path.lastIndexOf('/');
  const namespace = slash < 0 ? {} : { namespace: path.slice(0, slash) };
  return { ecosystem: 'golang', ...namespace, name: path.slice(slash + 1), version, licenses: [], hashes: {} };
}
