// This room alone knows what zones tell one another: ranks, marks, summaries and the record exchange (docs/protocol.md, section 13).
import { decode, encode } from './cbor.ts';
import { kind, readProvenRecord, recordName } from './feed.ts';
import { hex, label, sha256, stackId } from './identity.ts';
import { insist } from './refusal.ts';
import { bytes, either, integer, list, literal, map, type Of, orNull, type Shape, text, tuple } from './shape.ts';

const maxSummary = 8192;
const mark = tuple(stackId, integer(), integer(1));
const provenRecord = bytes({ most: 65_536 });
/** Where a gateway's summary stands. */
export type Mark = Of<typeof mark>;

const kinds: Shape<ReadonlyMap<string, number>> = (value, where) => {
  insist(value instanceof Map && value.size <= 32, 'shape', `${where} is no map of at most 32 kinds`);
  return new Map([...value].map(([name, count]) => [kind(name, where), integer()(count, `${where}.${name}`)]));
};
const summaryShape = map({
  zone: either(literal(''), label),
  stacks: integer(),
  up: integer(),
  down: integer(),
  records: integer(),
  kinds,
  root: bytes(32),
  addresses: list(text(1, 200), 4),
  at: integer(),
});

/** The messages of the zone exchange, in their order. */
export const zoneExchange = {
  askDigest: map({ digest: bytes(32) }),
  answerMarks: map({ have: orNull(list(mark, 192)) }),
  askSummaries: map({ have: list(mark, 192), summaries: list(provenRecord, 192) }),
  answerSummaries: map({ summaries: list(provenRecord, 192) }),
} as const;
/** The messages of the record exchange. */
export const recordExchange = {
  request: map({ kind, name: recordName }),
  answer: map({ records: list(provenRecord, 8) }),
} as const;

/** The stacks of a zone by their rank, the lowest first. */
export function rankOf(zone: string, stacks: readonly string[]): string[] {
  return stacks
    .map((stack) => ({ stack, rank: hex(sha256(encode([zone, stack]))) }))
    .sort((one, other) => (one.rank < other.rank ? -1 : 1))
    .map(({ stack }) => stack);
}

/** The gateways among stacks that are up and no viewers. */
export function gatewaysOf(zone: string, stacks: readonly string[]): string[] {
  return rankOf(zone, stacks).slice(0, 3);
}

/** The root over the feeds of a zone. */
export function rootOfZone(feeds: readonly (readonly [feed: string, hash: Uint8Array])[]): Uint8Array {
  return sha256(encode(byFirst(feeds)));
}

/** The digest over marks. */
export function digestOfMarks(marks: readonly Mark[]): Uint8Array {
  return sha256(encode(byFirst(marks)));
}

/** Verifies the summary in a proven record; its owner's certificate is judged by the roster. */
export function readSummary(wire: Uint8Array, mesh: string): Of<typeof summaryShape> & { readonly owner: string } {
  const record = readProvenRecord(wire, mesh);
  insist(record.kind === 'zone' && record.body !== null, 'shape', 'no summary');
  insist(record.body.length <= maxSummary, 'size', 'the summary is too long');
  const summary = summaryShape(decode(record.body), 'summary');
  insist(record.name === (summary.zone || '-'), 'shape', 'a summary of another name');
  return { ...summary, owner: record.head.feed };
}

function byFirst<T extends readonly [string, ...unknown[]]>(rows: readonly T[]): T[] {
  return rows.toSorted(([one], [other]) => (one < other ? -1 : 1));
}
