// How the kernel writes its table of TCP sockets (/proc/<pid>/net/tcp and tcp6), and which of them listen.
import { readdir, readlink } from 'node:fs/promises';
import type { ListeningSocket } from '../engine.ts';

/** The state TCP_LISTEN of include/net/tcp_states.h. */
const listenState = '0A';
/** Where the engine's own resolver listens inside each container of a user-defined network: not a socket of the container. */
const resolverAddress = '127.0.0.11';
/** A container that listens on more has something else to say; it bounds what one table can cost. */
const maxSockets = 512;
/** Looked through in one look: what listens is opened early, by the first processes. */
const maxProcesses = 64;
const maxDescriptors = 512;

/**
 * The listening sockets of one table, without the engine's resolver; lines that aren't understood are passed over. `own` are
 * the inodes to keep, where the table is shared with others.
 */
export function parseListening(
  table: string,
  protocol: ListeningSocket['protocol'],
  own?: ReadonlySet<string>,
): ListeningSocket[] {
  const found: ListeningSocket[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local, , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state !== listenState || local === undefined || (own && !own.has(inode))) continue;
    const [hex = '', portHex = ''] = local.split(':');
    const address = hex.length === 8 ? address4(hex) : hex.length === 32 ? address6(hex) : undefined;
    if (address === undefined || address === resolverAddress) continue;
    found.push({ protocol, address, port: Number.parseInt(portHex, 16) });
    if (found.length === maxSockets) break;
  }
  return found;
}

/** Inodes of the sockets that these processes of the host have open; one that ended meanwhile has none. */
export async function readSocketInodes(pids: readonly number[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const pid of pids.slice(0, maxProcesses)) {
    const folder = `/proc/${pid}/fd`;
    for (const name of (await readdir(folder).catch(() => [])).slice(0, maxDescriptors)) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`${folder}/${name}`).catch(() => ''))?.[1];
      if (inode !== undefined) found.add(inode);
    }
  }
  return found;
}

/** One 32-bit word in the byte order of the host, which is little endian on every platform that we build for. */
function bytesOfWord(hex: string): number[] {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function address4(hex: string): string {
  return bytesOfWord(hex).join('.');
}

/** Four words, each in host order; an IPv4-mapped address is written as IPv4, the rest as RFC 5952 asks for. */
function address6(hex: string): string {
  const bytes = [0, 8, 16, 24].flatMap((at) => bytesOfWord(hex.slice(at, at + 8)));
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (mapped) return bytes.slice(12).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  const runs = [...groups.join(':').matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map((match) => match[0]);
  const longest = runs.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) return groups.join(':');
  const full = groups.join(':');
  const at = full.indexOf(longest);
  return `${full.slice(0, at)}::${full.slice(at + longest.length).replace(/^:/, '')}`;
}
