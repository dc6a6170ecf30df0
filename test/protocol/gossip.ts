// This room alone knows the topics and the messages of gossip (docs/protocol.md, section 9).
import { decode } from './cbor.ts';
import { type Delta, type Head, insistEvidence, readDelta, readHead, signedHead } from './feed.ts';
import { sha256 } from './identity.ts';
import { type Claim, maxClaimBytes, readBeat, readSuspicion } from './liveness.ts';
import { insist } from './refusal.ts';
import { bytes, list, map, optional, tuple } from './shape.ts';

const maxMessage = 205_824;
const maxDelta = 204_800;
const feedsShape = map({
  deltas: optional(list(bytes({ most: maxDelta }), 1000)),
  heads: optional(list(signedHead, 16)),
  statements: optional(list(bytes({ most: maxMessage }), 100)),
  evidence: optional(tuple(signedHead, signedHead)),
});
const livenessShape = map({
  beats: optional(list(bytes({ most: maxClaimBytes }), 64)),
  suspicions: optional(list(bytes({ most: maxClaimBytes }), 64)),
});

/** The topic of feeds of a zone; an empty name is the zone without a name. */
export function feedsTopic(mesh: string, zone = ''): string {
  return `/hermesh/feeds/1.0.0/${mesh}${zone && `/${zone}`}`;
}

/** The topic of liveness. */
export function livenessTopic(mesh: string): string {
  return `/hermesh/liveness/1.0.0/${mesh}`;
}

/** The id by which gossip knows a message. */
export function messageId(topic: string, data: Uint8Array): Uint8Array {
  return sha256(topic, Uint8Array.of(0), data);
}

/** What a feeds message holds; statements are judged when they are taken, so they stay bytes. */
export interface FeedsMessage {
  readonly deltas: readonly Delta[];
  readonly heads: readonly Head[];
  readonly statements: readonly Uint8Array[];
  readonly evidence: Head | undefined;
}

/** Verifies a feeds message; what is refused here is rejected whole. */
export function readFeedsMessage(data: Uint8Array, mesh: string): FeedsMessage {
  insist(data.length <= maxMessage, 'size', 'the message is too long');
  const { deltas = [], heads = [], statements = [], evidence } = feedsShape(decode(data), 'message');
  return {
    deltas: deltas.map((wire) => readDelta(wire, mesh, maxDelta)),
    heads: heads.map(([head, signature]) => readHead(head, signature, mesh).head),
    statements,
    evidence: evidence && insistEvidence(evidence, mesh),
  };
}

/** Verifies a liveness message; one wrong claim refuses it whole. */
export function readLivenessMessage(data: Uint8Array, mesh: string): { beats: Claim[]; suspicions: Claim[] } {
  const { beats = [], suspicions = [] } = livenessShape(decode(data), 'message');
  return {
    beats: beats.map((wire) => readBeat(wire, mesh)),
    suspicions: suspicions.map((wire) => readSuspicion(wire, mesh)),
  };
}
