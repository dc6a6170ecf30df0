// This room alone knows the vectors, and which of them were read.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const file = path.join(import.meta.dirname, '..', 'vectors', 'registry.json');
const seen = new Set<string>();

/** What the vectors hold, as the page's section 18 tells it; whatever is read of it is remembered. */
export interface Vectors {
  readonly note: string;
  readonly keys: readonly [Key, Key];
  readonly tries: {
    readonly sets: readonly {
      readonly records: readonly { kind: string; name: string; body: string; key: string; hash: string }[];
      readonly root: string;
    }[];
    readonly afterRemoval: { removed: string; root: string };
    readonly proofs: readonly { root: string; key: string; value: string | null; proof: string }[];
  };
  readonly deltas: readonly {
    readonly head: Record<string, unknown>;
    readonly changes: readonly { kind: string; name: string; body: string | null }[];
    readonly headBytes: string;
    readonly headHash: string;
    readonly signature: string;
    readonly delta: string;
  }[];
  readonly provenRecords: readonly { kind: string; name: string; body: string | null; wire: string }[];
  readonly positionsDigest: { heads: readonly string[]; digest: string; ofNone: string };
  readonly gossip: Record<'deltas' | 'heads' | 'statements' | 'evidence', string>;
  readonly statements: {
    readonly mesh: string;
    readonly made: readonly { type: string; payload: string; signer: string; id: string; wire: string }[];
  };
  readonly rosters: readonly RosterVector[];
  readonly invite: { token: string; secret: string; key: string; mesh: string };
  readonly join: Exchange;
  readonly joins: Record<'probe' | 'wrongMesh' | 'nameTaken' | 'again' | 'zoned' | 'used' | 'badSignature', Exchange>;
  readonly exchanges: readonly (Exchange & { readonly protocol: string })[];
  readonly requests: Record<Protocol, RequestVector>;
  readonly signing: readonly {
    what: 'head' | 'statement' | 'join' | 'beat' | 'suspicion';
    signer: string;
    domain: string;
    body: string;
    message: string;
    signature: string;
  }[];
  readonly frames: Record<'hello' | 'ping' | 'pong' | 'longer', { message: string; frame: string }>;
  readonly gossipIds: readonly { topic: string; data: string; id: string }[];
  readonly fingerprints: {
    readonly rule: string;
    readonly first: { feed: string; brief: unknown };
    readonly sets: readonly {
      readonly count: number;
      readonly quarantined: readonly number[];
      readonly root: string;
      readonly parts: readonly { prefix: string }[];
      readonly answer: string;
    }[];
  };
  readonly liveness: Liveness;
  readonly zones: Zones;
  readonly parsers: { readonly mesh: string } & Record<Parser, ParserVector>;
}
interface Key {
  readonly seed: string;
  readonly stack: string;
  readonly x25519: string;
}
interface Exchange {
  readonly request: string;
  readonly answer: string;
}
/** A set of statements and what it comes to. */
export interface RosterVector {
  readonly what: string;
  readonly mesh: string;
  readonly statements: readonly {
    type: string;
    body: string;
    signer: string;
    id: string;
    wire: string;
    kept: boolean;
  }[];
  readonly memberships: readonly unknown[];
  readonly chain: readonly unknown[];
  readonly proposals: readonly unknown[];
  readonly forks: readonly unknown[];
  readonly pardons: Record<string, number>;
  readonly digest: string;
}
interface Liveness {
  readonly rings: readonly {
    readonly members: readonly string[];
    readonly observers: unknown;
    readonly accepted: unknown;
    readonly subjects: unknown;
  }[];
  readonly quorums: readonly { members: number; needed: number | null }[];
  readonly beats: readonly ClaimVector[];
  readonly suspicions: readonly ClaimVector[];
  readonly exchange: {
    readonly digest: string;
    readonly names: readonly (readonly [string, number, number, number])[];
    readonly messages: Record<'askDigest' | 'answerSame' | 'answerNames' | 'askClaims' | 'answerClaims', string>;
  };
  readonly published: { beats: string; suspicions: string };
}
interface ClaimVector {
  readonly body: Record<string, unknown>;
  readonly body_bytes: string;
  readonly wire: string;
}
interface Zones {
  readonly ranks: readonly {
    zone: string;
    stacks: readonly string[];
    rank: readonly string[];
    gateways: readonly string[];
  }[];
  readonly root: { feeds: readonly { feed: string; root: string }[]; root: string };
  readonly marks: {
    readonly have: readonly (readonly [string, number, number])[];
    readonly digest: string;
    readonly ofNone: string;
    readonly messages: Record<'askDigest' | 'answerSame' | 'answerMarks' | 'askSummaries' | 'answerSummaries', string>;
  };
  readonly record: { request: string; answerOfNone: string };
}
/** What `parsers` has wires for. */
export type Parser =
  | 'value'
  | 'stackId'
  | 'delta'
  | 'provenRecord'
  | 'statement'
  | 'beat'
  | 'suspicion'
  | 'gossip'
  | 'token';
/** What `requests` has requests of. */
export type Protocol =
  `/hermesh/${'heads' | 'evidence' | 'roster' | 'feed' | 'trie' | 'beats' | 'zone' | 'record'}/1.0.0`;
interface RequestVector {
  readonly accepted: readonly string[];
  readonly refused: readonly { why: string; request: string }[];
}
interface ParserVector {
  readonly accepted: readonly { why: string; wire: string }[];
  readonly refused: readonly { why: string; wire: string }[];
}

const raw: unknown = JSON.parse(readFileSync(file, 'utf8'));

/** The vectors. */
export const vectors: Vectors = watch(raw, '') as Vectors;

/** The places of the vectors, such as `rosters[0].digest`, that nothing read so far. */
export function unreadPlaces(): string[] {
  return placesOf(raw, '').filter((place) => !seen.has(place));
}

function watch(value: unknown, place: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const inner = new Map<string, unknown>();
  return new Proxy(value, {
    get(target, key) {
      const own = Object.getOwnPropertyDescriptor(target, key);
      if (typeof key !== 'string' || !own || key === 'length') return Reflect.get(target, key);
      const at = step(target, place, key);
      seen.add(at);
      if (!inner.has(key)) inner.set(key, watch(own.value, at));
      return inner.get(key);
    },
  });
}

function placesOf(value: unknown, place: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = step(value, place, key);
    return [at, ...placesOf(inner, at)];
  });
}

function step(target: object, place: string, key: string): string {
  return Array.isArray(target) ? `${place}[${key}]` : place ? `${place}.${key}` : key;
}
