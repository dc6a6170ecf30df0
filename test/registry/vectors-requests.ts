// Requests of the exchanges between members: those that are answered, and those at which the stream is reset.
import { toBytes, toHex } from '../../registry/wire.ts';

const zeros = (size: number): Uint8Array => new Uint8Array(size);
const brief = [zeros(8), 1, 1, zeros(8), zeros(16)];

interface Asked {
  readonly accepted: readonly unknown[];
  readonly refused: readonly (readonly [why: string, message: unknown])[];
}

/** What is asked, by protocol; `feed` is the id of an owner. Nine wrong requests of heads would be told, and ten cut the asker off. */
function requestsOf(feed: string): Readonly<Record<string, Asked>> {
  const position = { feed, epoch: { counter: 1, nonce: zeros(16) }, sequence: 1, hash: zeros(32) };
  const trie = { feed, root: zeros(32), paths: [], keys: [] };
  return {
    '/hermesh/heads/1.0.0': {
      accepted: [{}, { roster: '', heads: zeros(32), ask: ['', '0', 'ff'], offer: [brief] }],
      refused: [
        ['a prefix of 3 digits', { ask: ['000'] }],
        ['a prefix in upper case', { ask: ['A'] }],
        ['257 prefixes', { ask: Array(257).fill('0') }],
        ['a brief of 4 parts', { offer: [brief.slice(1)] }],
        ['a root of 31 bytes', { heads: zeros(31) }],
        ['an unknown key', { more: 1 }],
      ],
    },
    '/hermesh/evidence/1.0.0': {
      accepted: [{ known: [] }, { known: [[zeros(8), 1]] }, { give: [] }],
      refused: [
        ['a key of 7 bytes', { known: [[zeros(7), 1]] }],
        ['501 owners', { known: Array(501).fill([zeros(8), 1]) }],
        ['a signature of 63 bytes', { give: [Array(2).fill([zeros(1), zeros(63)])] }],
        ['one head', { give: [[[zeros(1), zeros(64)]]] }],
        ['65 pairs', { give: Array(65).fill(Array(2).fill([zeros(1), zeros(64)])) }],
        ['both at once', { known: [], give: [] }],
      ],
    },
    '/hermesh/roster/1.0.0': {
      accepted: [{ paths: [zeros(63)] }, { want: [zeros(32)], give: [zeros(1)] }],
      refused: [
        ['a path of 64 nibbles', { paths: [zeros(64)] }],
        ['a nibble of 16', { paths: [Uint8Array.of(16)] }],
        ['513 paths', { paths: Array(513).fill(zeros(0)) }],
        ['an id as text', { want: ['0'.repeat(64)], give: [] }],
        ['both at once', { paths: [], want: [], give: [] }],
        ['nothing', {}],
      ],
    },
    '/hermesh/feed/1.0.0': {
      accepted: [
        { feed, have: null, after: zeros(32) },
        { feed, have: { ...position, sequence: 0 }, after: null },
      ],
      refused: [
        ['a key left out', { feed, have: null }],
        ['a position without a hash', { feed, have: { ...position, hash: null }, after: null }],
        ['a nonce of 15 bytes', { feed, have: { ...position, epoch: { counter: 1, nonce: zeros(15) } }, after: null }],
        ['a key of 31 bytes', { feed, have: null, after: zeros(31) }],
      ],
    },
    '/hermesh/trie/1.0.0': {
      accepted: [trie, { ...trie, paths: [zeros(63)], keys: [zeros(32)] }],
      refused: [
        ['a path of 64 nibbles', { ...trie, paths: [zeros(64)] }],
        ['a nibble of 16', { ...trie, paths: [Uint8Array.of(16)] }],
        ['2,001 keys', { ...trie, keys: Array(2_001).fill(zeros(32)) }],
        ['a root of 31 bytes', { ...trie, root: zeros(31) }],
      ],
    },
    '/hermesh/beats/1.0.0': {
      accepted: [{ digest: zeros(32) }, { give: [[zeros(1), 0]], want: [zeros(8)] }],
      refused: [
        ['a digest of 31 bytes', { digest: zeros(31) }],
        ['a short name of 7 bytes', { give: [], want: [zeros(7)] }],
        ['257 names', { give: [], want: Array(257).fill(zeros(8)) }],
        ['an age of 367 days', { give: [[zeros(1), 367 * 24 * 60 * 60]], want: [] }],
        ['a claim of 1,025 bytes', { give: [[zeros(1_025), 0]], want: [] }],
      ],
    },
    '/hermesh/zone/1.0.0': {
      accepted: [{ digest: zeros(32) }, { have: [[feed, 1, 1]], summaries: [] }],
      refused: [
        ['a mark of 2 parts', { have: [[feed, 1]], summaries: [] }],
        ['193 marks', { have: Array(193).fill([feed, 1, 1]), summaries: [] }],
        ['no summaries', { have: [] }],
      ],
    },
    '/hermesh/record/1.0.0': {
      accepted: [{ kind: 'note', name: 'n' }],
      refused: [
        ['no name', { kind: 'note', name: '' }],
        ['a kind of 65 characters', { kind: 'k'.repeat(65), name: 'n' }],
      ],
    },
  };
}

/** Asks all; throws where one is answered that is to be refused, or the other way round. */
export async function requests(feed: string, ask: (protocol: string, request: Uint8Array) => Promise<unknown>) {
  const isAnswered = (protocol: string, request: Uint8Array): Promise<boolean> =>
    ask(protocol, request).then(
      () => true,
      () => false,
    );
  const shown: Record<string, unknown> = {};
  for (const [protocol, { accepted, refused }] of Object.entries(requestsOf(feed))) {
    const cut: readonly [string, unknown] = ['bytes after the end', undefined];
    const good = accepted.map(toBytes);
    const bad = [...refused, cut].map(([why, message]) => ({
      why,
      request: message === undefined ? Buffer.concat([toBytes(accepted[0]), zeros(1)]) : toBytes(message),
    }));
    for (const request of good) {
      if (!(await isAnswered(protocol, request))) throw new Error(`"${protocol}" refused ${toHex(request)}`);
    }
    for (const { why, request } of bad) {
      if (await isAnswered(protocol, request)) throw new Error(`"${protocol}" answered what is wrong: ${why}`);
    }
    shown[protocol] = {
      accepted: good.map(toHex),
      refused: bad.map(({ why, request }) => ({ why, request: toHex(request) })),
    };
  }
  return shown;
}
