// This room alone knows the exchanges by which rosters and feeds are fetched, and how messages are framed (docs/protocol.md, sections 6 and 11).
import { epoch, recordShape, signedHead } from './feed.ts';
import { stackId } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, either, integer, list, literal, map, orNull } from './shape.ts';
import { node, path } from './trie.ts';

const maxPaths = 512;
const maxKeys = 2000;
const statement = bytes({ most: 8192 });
const delta = bytes({ most: 921_600 });
const none = map({ none: literal(true) });
const head = map({ head: signedHead });
const position = map({ feed: stackId, epoch, sequence: integer(), hash: bytes(32) });

/** The two questions about a roster, with their answers. */
export const rosterExchange = {
  request: either(
    map({ paths: list(path, maxPaths) }),
    map({ want: list(bytes(32), maxKeys), give: list(statement, maxKeys) }),
  ),
  answer: either(map({ nodes: list(node, maxPaths) }), map({ statements: list(statement, maxKeys) })),
} as const;

/** A request of a feed, and its answer. */
export const feedExchange = {
  request: map({ feed: stackId, have: orNull(position), after: orNull(bytes(32)) }),
  answer: either(
    none,
    map({ deltas: list(delta, 2000) }),
    head,
    map({ head: signedHead, records: list(recordShape, 2000), next: orNull(bytes(32)) }),
  ),
} as const;

/** A request of nodes and records of a trie, and its answer. */
export const trieExchange = {
  request: map({ feed: stackId, root: bytes(32), paths: list(path, maxPaths), keys: list(bytes(32), maxKeys) }),
  answer: either(none, head, map({ nodes: list(node, maxPaths), records: list(recordShape, maxKeys) })),
} as const;

/** A message behind its four bytes of length. */
export function frame(message: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return new Uint8Array(Buffer.concat([length, message]));
}

/** The message in a frame, of at most so many bytes. */
export function unframe(framed: Uint8Array, most = 1024 * 1024): Uint8Array {
  insist(framed.length >= 4, 'size', 'a frame without its length');
  const length = Buffer.from(framed).readUInt32BE();
  insist(length <= most, 'size', 'a message that is too long');
  insist(framed.length === length + 4, 'size', 'a frame of another length');
  return framed.slice(4);
}
