// Comparing what two stacks hold in few bytes: one root, and then only the parts that differ.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Position } from '../../registry/feeds/feed.ts';
import { type Brief, briefOf, Fingerprints, type Part } from '../../registry/replication/fingerprints.ts';
import { toBytes } from '../../registry/wire.ts';

const members = Array.from({ length: 1_000 }, (_, at) => `stack ${at}`);
const positionOf = (feed: string, sequence = 1): Position => ({
  feed,
  epoch: { counter: 1, nonce: new Uint8Array(16) },
  sequence,
  hash: new Uint8Array(createHash('sha256').update(`${feed} ${sequence}`).digest()),
});

function open(positions: readonly Position[], of = members): Fingerprints {
  const all = new Fingerprints();
  all.fill(of, positions);
  return all;
}

/** All that two sides say until nothing is asked for; what the first one should give the other, and what it misses. */
function reconcile(one: Fingerprints, other: Fingerprints) {
  let bytes = 0;
  const offer: Brief[] = [];
  const lists: Part[] = [];
  let parts = [other.part('')];
  let steps = 0;
  while (parts.length > 0) {
    steps += 1;
    bytes += toBytes(parts).byteLength;
    const ask = parts.flatMap((part) => (part.split ? one.differing(part) : []));
    for (const part of parts) {
      if (!part.briefs) continue;
      offer.push(...one.beyond(part));
      lists.push(part);
    }
    bytes += toBytes(ask).byteLength;
    parts = ask.map((prefix) => other.part(prefix));
  }
  return { bytes, steps, offer, lists };
}

test('the same heads give the same root, in whatever order they came and whatever came before them', () => {
  const positions = members.map((feed) => positionOf(feed, 5));
  const one = open(positions);
  const other = open([...positions].reverse());
  assert.deepEqual(one.root(), other.root());
  const late = open(members.map((feed) => positionOf(feed, 4)));
  assert.notDeepEqual(late.root(), one.root());
  for (const position of positions) late.set(position, false);
  assert.deepEqual(late.root(), one.root());
});

test('two stacks that quarantined an owner agree, whichever of its heads is here', () => {
  const one = open(members.map((feed) => positionOf(feed)));
  const other = open(members.map((feed) => positionOf(feed)));
  one.set(positionOf('stack 7', 8), true);
  other.set(positionOf('stack 7', 9), true);
  assert.deepEqual(one.root(), other.root());
});

test('of a thousand feeds one that differs is found in three steps and less than 3 KB', (context) => {
  const positions = members.map((feed) => positionOf(feed));
  const one = open(positions);
  const other = open(positions);
  other.set(positionOf('stack 321', 2), false);
  const { bytes, steps, lists, offer } = reconcile(one, other);
  context.diagnostic(`${bytes} bytes in ${steps} steps`);
  assert.ok(bytes < 3_000 && steps <= 3, `${bytes} bytes in ${steps} steps`);
  const told = lists.flatMap(({ briefs = [] }) => briefs).map(([key, , sequence]) => `${one.feedOf(key)} ${sequence}`);
  assert.ok(told.includes('stack 321 2'));
  assert.deepEqual(offer, []);
});

test('any set of differences is found whole, both ways', () => {
  let seed = 1;
  const chance = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (const size of [3, 100, 600, 1_000]) {
    const some = members.slice(0, size);
    const one = open([], some);
    const other = open([], some);
    const newerHere = new Set<string>();
    const newerThere = new Set<string>();
    for (const feed of some) {
      const draw = chance();
      one.set(positionOf(feed, draw < 0.2 ? 2 : 1), false);
      if (draw < 0.2) newerHere.add(feed);
      if (draw > 0.9) newerThere.add(feed);
      if (draw < 0.1) continue;
      other.set(positionOf(feed, draw > 0.9 ? 3 : 1), false);
    }
    const { lists, offer } = reconcile(one, other);
    assert.deepEqual(new Set(offer.map(([key]) => one.feedOf(key))), newerHere);
    const ahead = lists
      .flatMap(({ briefs = [] }) => briefs)
      .filter(([, , sequence]) => sequence === 3)
      .map(([key]) => one.feedOf(key));
    assert.deepEqual(new Set(ahead), newerThere);
  }
});

test('the feed of a stack that is no member is left out', () => {
  const one = open([positionOf('stranger')]);
  assert.deepEqual(one.root(), open([]).root());
  assert.equal(one.feedOf(briefOf(positionOf('stranger'))[0]), undefined);
});
