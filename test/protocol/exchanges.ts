// This room alone knows by protocol how a request and its answer are read, and when the answer fits the request.
import { decode } from './cbor.ts';
import { type Change, insistEvidence, readDelta, readHead } from './feed.ts';
import { feedExchange, rosterExchange, trieExchange } from './fetching.ts';
import { evidenceExchange, feedKey, headsExchange } from './heads.ts';
import { hex, sha256 } from './identity.ts';
import { joinAnswer, readJoin, renewal } from './join.ts';
import { insist } from './refusal.ts';
import { rosterOf } from './roster.ts';
import { either } from './shape.ts';
import { refusalOf } from './shown.ts';
import { readStatement } from './statement.ts';
import { type Entry, hashOfNode, hashOfPlace, keyOf, type Node, rootOf } from './trie.ts';

/** The protocols whose exchanges are read here. */
export const protocols = {
  '/hermesh/heads/1.0.0': readHeads,
  '/hermesh/evidence/1.0.0': readEvidence,
  '/hermesh/roster/1.0.0': readRoster,
  '/hermesh/renew/1.0.0': readRenewal,
  '/hermesh/feed/1.0.0': readFeed,
  '/hermesh/trie/1.0.0': readTrie,
} as const;

/** Reads an exchange, refuses an answer that doesn't fit the request, and says in a word what was answered. */
export function readExchange(protocol: string, request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const read = Object.entries(protocols).find(([name]) => name === protocol)?.[1];
  insist(read !== undefined, 'shape', `the protocol "${protocol}" is unknown`);
  return read(request, answer, mesh);
}

/**
 * Reads an exchange of joining, and says in a word what was answered: the code of a refusal, or what was given; of a request that couldn't be
 * read also what was wrong with it.
 */
export function readJoining(request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const given = joinAnswer(decode(answer), 'answer');
  if ('code' in given && given.code === 'version-mismatch')
    return `${given.code}: ${refusalOf(() => readJoin(request))}`;
  const asked = readJoin(request);
  if ('code' in given) return given.code;
  insist(asked.mesh === mesh, 'mesh', 'granted in another mesh');
  if ('usesLeft' in given) {
    insist(asked.probe === true, 'shape', 'a probe was answered that was none');
    return 'probe';
  }
  const statements = given.statements.map((wire) => readStatement(wire, mesh));
  const own = rosterOf(statements, mesh).memberships.get(asked.stack);
  insist(own?.state === 'valid' && own.name === asked.name, 'shape', 'no certificate of the own');
  insist(asked.zone === undefined || own.zone === asked.zone, 'shape', 'another zone than was asked for');
  return own.zone === '' ? 'granted' : `granted in ${own.zone}`;
}

function readHeads(request: Uint8Array, answer: Uint8Array): string {
  const asked = headsExchange.request(decode(request), 'request');
  const { parts, roster } = headsExchange.answer(decode(answer), 'answer');
  insist(roster === null || roster !== asked.roster, 'shape', 'the digest that was asked');
  const told = (parts ?? []).map(({ prefix }) => prefix);
  insist(new Set(told).size === told.length, 'shape', 'a prefix stands twice');
  for (const prefix of asked.ask ?? []) insist(told.includes(prefix), 'shape', `nothing about "${prefix}"`);
  for (const part of parts ?? []) {
    const keys = 'briefs' in part ? part.briefs.map(([key]) => hex(key)) : [];
    insist(
      keys.every((key) => key.startsWith(part.prefix)),
      'shape',
      `a brief that isn't of "${part.prefix}"`,
    );
  }
  return parts === null ? 'nothing' : `parts ${told.map((prefix) => prefix || '-').join(' ')}`;
}

function readEvidence(request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const asked = either(evidenceExchange.ask, evidenceExchange.give)(decode(request), 'request');
  const { evidence, want } = evidenceExchange.answer(decode(answer), 'answer');
  if ('give' in asked) {
    insist(evidence.length + want.length === 0, 'shape', 'an answer to what was given');
    return `given ${asked.give.map((pair) => insistEvidence(pair, mesh).feed.slice(-4)).join(' ')}`;
  }
  const known = new Map(asked.known.map(([key, counter]) => [hex(key), counter]));
  for (const key of want) insist(known.has(hex(key)), 'shape', 'what nobody has is wanted');
  for (const pair of evidence) {
    const { feed, epoch } = insistEvidence(pair, mesh);
    insist(epoch.counter > (known.get(hex(feedKey(feed))) ?? -1), 'shape', 'evidence that is known');
  }
  return `evidence ${evidence.length} wanted ${want.length}`;
}

function readRoster(request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const asked = rosterExchange.request(decode(request), 'request');
  const given = rosterExchange.answer(decode(answer), 'answer');
  if ('paths' in asked) {
    insist('nodes' in given && given.nodes.length === asked.paths.length, 'shape', 'a node for each path');
    return `nodes ${given.nodes.map((node) => hex(hashOfNode(node))).join(' ')}`;
  }
  insist('statements' in given, 'shape', 'nodes, although statements were wanted');
  const wanted = asked.want.map(hex);
  const places = given.statements.map((wire) => wanted.indexOf(readStatement(wire, mesh).id));
  insist(
    places.every((place, index) => place > (places[index - 1] ?? -1)),
    'shape',
    'not wanted, or in another order',
  );
  return `statements ${places.join(' ')}`.trim();
}

function readRenewal(request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const asked = renewal.request(decode(request), 'request');
  const given = renewal.answer(decode(answer), 'answer');
  if ('code' in given) return given.code;
  insist(asked.mesh === mesh, 'mesh', 'renewed in another mesh');
  for (const wire of given.statements) readStatement(wire, mesh);
  return `statements ${given.statements.length}`;
}

function readFeed(request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const asked = feedExchange.request(decode(request), 'request');
  const given = feedExchange.answer(decode(answer), 'answer');
  if ('none' in given) return 'none';
  if ('deltas' in given) {
    insist(asked.have !== null, 'shape', 'deltas, although nothing is held');
    let { hash, sequence } = asked.have;
    for (const wire of given.deltas) {
      const delta = readDelta(wire, mesh);
      insist(delta.head.feed === asked.feed, 'shape', 'a delta of another feed');
      const follows = delta.head.sequence === sequence + 1 && hex(delta.head.previous) === hex(hash);
      insist(follows, 'shape', 'a delta that does not follow');
      ({
        hash,
        head: { sequence },
      } = delta);
    }
    return `deltas ${given.deltas.length}`;
  }
  const { head } = readHead(...given.head, mesh);
  insist(head.feed === asked.feed, 'shape', 'the head of another feed');
  if (!('records' in given)) {
    insist(asked.have !== null, 'shape', 'a head alone, although all was asked for');
    return 'head';
  }
  const entries = entriesOf(given.records);
  const keys = entries.map(({ key }) => hex(key));
  insist(
    keys.every((key, index) => key > (keys[index - 1] ?? '')),
    'order',
    'records in another order',
  );
  if (asked.after === null && given.next === null)
    insist(hex(rootOf(entries)) === hex(head.root) && entries.length === head.count, 'proof', 'another root comes out');
  return `records ${given.records.length}`;
}

function readTrie(request: Uint8Array, answer: Uint8Array, mesh: string): string {
  const asked = trieExchange.request(decode(request), 'request');
  const given = trieExchange.answer(decode(answer), 'answer');
  if ('none' in given) return 'none';
  if ('head' in given) {
    const { head } = readHead(...given.head, mesh);
    insist(head.feed === asked.feed && hex(head.root) !== hex(asked.root), 'shape', 'the root that was asked');
    return 'head';
  }
  insist(given.nodes.length === asked.paths.length, 'shape', 'a node for each path');
  const nodes = new Map(asked.paths.map((path, index) => [hex(path), given.nodes[index] ?? null]));
  for (const path of asked.paths) {
    const above = path.length === 0 ? asked.root : placeOf(nodes.get(hex(path.subarray(0, -1))), path.at(-1) ?? 0);
    const told = hex(hashOfNode(nodes.get(hex(path)) ?? null));
    insist(above === undefined || hex(above) === told, 'proof', 'a node that is not under the hash above it');
  }
  const entries = entriesOf(given.records);
  const wanted = asked.keys.map(hex);
  insist(
    entries.every(({ key }) => wanted.includes(hex(key))),
    'shape',
    'a record that was not wanted',
  );
  return `nodes ${given.nodes.length} records ${given.records.length}`;
}

/** The hash at a place of a branch, where the node above was told and is one. */
function placeOf(above: Node | undefined, nibble: number): Uint8Array | undefined {
  if (above?.length !== 16) return undefined;
  return hashOfPlace(above[nibble] ?? null);
}

function entriesOf(records: readonly Change[]): Entry[] {
  return records.map(([kind, name, body]) => ({ key: keyOf(kind, name), hash: sha256(body ?? '') }));
}
