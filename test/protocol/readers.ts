// This room alone knows which reader each parser of the vectors has, and each protocol for its requests.
import { decode } from './cbor.ts';
import { readDelta, readProvenRecord } from './feed.ts';
import { feedExchange, rosterExchange, trieExchange } from './fetching.ts';
import { readFeedsMessage } from './gossip.ts';
import { evidenceExchange, headsExchange } from './heads.ts';
import { publicKeyOf } from './identity.ts';
import { readToken } from './join.ts';
import { beatsExchange, readBeat, readSuspicion } from './liveness.ts';
import { insist } from './refusal.ts';
import { either, type Shape } from './shape.ts';
import { readStatement } from './statement.ts';
import type { Parser, Protocol } from './vectors.ts';
import { recordExchange, zoneExchange } from './zones.ts';

const parsers: Record<Parser, (wire: Uint8Array, mesh: string) => unknown> = {
  value: (wire) => decode(wire),
  stackId: (wire) => publicKeyOf(Buffer.from(wire).toString()),
  delta: readDelta,
  provenRecord: readProvenRecord,
  statement: readStatement,
  beat: readBeat,
  suspicion: readSuspicion,
  gossip: readFeedsMessage,
  token: (wire) => readToken(Buffer.from(wire).toString()),
};

/** By protocol, the shape of a request, and how long it may be. */
const requests: Record<Protocol, readonly [shape: Shape<unknown>, most: number]> = {
  '/hermesh/heads/1.0.0': [headsExchange.request, 1024 * 1024],
  '/hermesh/evidence/1.0.0': [either(evidenceExchange.ask, evidenceExchange.give), 1024 * 1024],
  '/hermesh/roster/1.0.0': [rosterExchange.request, 1024 * 1024],
  '/hermesh/feed/1.0.0': [feedExchange.request, 1024 * 1024],
  '/hermesh/trie/1.0.0': [trieExchange.request, 1024 * 1024],
  '/hermesh/beats/1.0.0': [either(beatsExchange.askDigest, beatsExchange.askClaims), 540_672],
  '/hermesh/zone/1.0.0': [either(zoneExchange.askDigest, zoneExchange.askSummaries), 786_432],
  '/hermesh/record/1.0.0': [recordExchange.request, 2048],
};

/** Reads a wire as that parser does. */
export function parse(parser: Parser, wire: Uint8Array, mesh: string): unknown {
  return parsers[parser](wire, mesh);
}

/** Reads a request as who is asked does, before it looks at what it holds. */
export function readRequest(protocol: Protocol, wire: Uint8Array): unknown {
  const [shape, most] = requests[protocol];
  insist(wire.length <= most, 'size', 'the request is too long');
  return shape(decode(wire), 'request');
}
