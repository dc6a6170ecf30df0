// Vectors of what needs no registry: fingerprints of heads, frames, signed bytes, ids of published messages, and zones.
import { stackIdOf } from '../../registry/identity.ts';
import { briefOf, Fingerprints } from '../../registry/replication/fingerprints.ts';
import { sha256, toBytes, toHex } from '../../registry/wire.ts';
import { rootOverFeeds } from '../../registry/zones/summary.ts';
import { gatewaysOf, rank } from '../../registry/zones/zone.ts';
import { identityOf } from '../support/constellation.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const idOf = (text: string): string => stackIdOf(sha256(bytes(text)));
const feedAt = (at: number) => ({
  feed: idOf(`feed ${at}`),
  epoch: { counter: at, nonce: new Uint8Array(16).fill(at % 256) },
  sequence: at + 1,
  hash: sha256(bytes(`head ${at}`)),
});
const shownBrief = ([key, counter, sequence, nonce, hash]: ReturnType<typeof briefOf>) =>
  [toHex(key), counter, sequence, toHex(nonce), toHex(hash)] as const;

/** Roots and parts of so many feeds; feed i is made by the rule that is told. */
export function fingerprints() {
  const of = (count: number, quarantined: readonly number[] = []) => {
    const heads = new Fingerprints();
    const all = Array.from({ length: count }, (_, at) => feedAt(at));
    heads.fill(
      all.map(({ feed }) => feed),
      all,
    );
    for (const at of quarantined) heads.set(feedAt(at), true);
    const prefixes = count > 500 ? ['', 'a', 'a0'] : count > 0 ? ['', 'a'] : [''];
    const parts = prefixes.map((prefix) => heads.part(prefix));
    return {
      count,
      quarantined,
      root: toHex(heads.root()),
      parts: parts.map(({ prefix, briefs, split }) =>
        briefs ? { prefix, briefs: briefs.map(shownBrief) } : { prefix, split: split?.map(toHex) },
      ),
      answer: toHex(toBytes({ roster: null, parts })),
    };
  };
  return {
    rule: 'feed i: owner = stack id of the public key SHA-256("feed i"), epoch = {counter: i, nonce: 16 bytes of i mod 256}, sequence = i + 1, hash = SHA-256("head i")',
    first: { feed: feedAt(0).feed, brief: shownBrief(briefOf(feedAt(0))) },
    sets: [of(0), of(3), of(3, [1]), of(520), of(1_200)],
  };
}

/** Messages behind their lengths, as they are on a stream. */
export function frames() {
  const framed = (message: Uint8Array) => {
    const frame = Buffer.alloc(4 + message.byteLength);
    frame.writeUInt32BE(message.byteLength);
    frame.set(message, 4);
    return { message: toHex(message), frame: toHex(frame) };
  };
  return {
    hello: framed(new Uint8Array()),
    ping: framed(Uint8Array.of(1)),
    pong: framed(Uint8Array.of(2)),
    longer: framed(new Uint8Array(300).fill(0xaa)),
  };
}

/** What is signed for a body, and the signature. */
export function signing() {
  const owner = identityOf('owner');
  const body = toBytes({ a: 1 });
  return ['head', 'statement', 'join', 'beat', 'suspicion'].map((what) => {
    const domain = bytes(`hermesh/${what}/1\0`);
    const message = Buffer.concat([domain, body]);
    return {
      what,
      signer: owner.stack,
      domain: toHex(domain),
      body: toHex(body),
      message: toHex(message),
      signature: toHex(owner.sign(message)),
    };
  });
}

/** Topics and the ids of messages in them. */
export function gossipIds(mesh: string) {
  return [`/hermesh/feeds/1.0.0/${mesh}`, `/hermesh/feeds/1.0.0/${mesh}/north`, `/hermesh/liveness/1.0.0/${mesh}`].map(
    (topic) => {
      const data = toBytes({});
      return { topic, data: toHex(data), id: toHex(sha256(bytes(`${topic}\0`), data)) };
    },
  );
}

/** Who speaks for a zone, and the hash over what its feeds hold. */
export function zones() {
  const stacks = [0, 1, 2, 3, 4].map((at) => idOf(`zone ${at}`));
  const feeds = stacks.map((feed, at) => ({ feed, root: sha256(bytes(`root ${at}`)) }));
  return {
    ranks: ['', 'north'].map((zone) => ({
      zone,
      stacks,
      rank: rank(zone, stacks),
      gateways: gatewaysOf(zone, stacks),
    })),
    root: { feeds: feeds.map(({ feed, root }) => ({ feed, root: toHex(root) })), root: toHex(rootOverFeeds(feeds)) },
    marks: {
      have: [[stacks[0], 3, 7]],
      digest: toHex(sha256(toBytes([[stacks[0], 3, 7]]))),
      ofNone: toHex(sha256(toBytes([]))),
      messages: {
        askDigest: toHex(toBytes({ digest: sha256(toBytes([])) })),
        answerSame: toHex(toBytes({ have: null })),
        answerMarks: toHex(toBytes({ have: [[stacks[0], 3, 7]] })),
        askSummaries: toHex(toBytes({ have: [], summaries: [] })),
        answerSummaries: toHex(toBytes({ summaries: [] })),
      },
    },
    record: { request: toHex(toBytes({ kind: 'note', name: 'n' })), answerOfNone: toHex(toBytes({ records: [] })) },
  };
}
