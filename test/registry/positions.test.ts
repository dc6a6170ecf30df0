// Positions that readers follow from never mean another change, whatever a loss of power took back.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openDatabase, registryMigrations } from '#registry';
import { type Change, FeedStore, Feeds } from '#registry/feeds';
import { makeDelta, recordHash, recordKey } from '../../registry/feeds/feed.ts';
import { emptyRoot, put, rootOf, type Trie } from '../../registry/feeds/trie.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

const mesh = 'a'.repeat(64);
const notesOf = (word: string, count: number): Change[] =>
  Array.from({ length: count }, (_, at) => ({ kind: 'note', name: `${word} ${at}`, body: toBytes({ text: word }) }));

/** The first delta of an owner. */
function deltaOf(word: string, records: readonly Change[]) {
  const owner = identityOf(word);
  let trie: Trie;
  for (const { kind, name, body } of records) trie = put(trie, recordKey(kind, name), recordHash(body ?? emptyRoot));
  const epoch = { counter: 1, nonce: new Uint8Array(16) };
  const place = { mesh, feed: owner.stack, epoch, sequence: 1, count: records.length, previous: emptyRoot };
  return makeDelta({ ...place, root: rootOf(trie) }, records, (message) => owner.sign(message));
}

function open(file: string) {
  const database = openDatabase(file, [registryMigrations]);
  const store = new FeedStore(database);
  const feeds = new Feeds(store, identityOf('reader'), () => undefined);
  const take = (word: string, count: number): void =>
    assert.equal(feeds.apply(deltaOf(word, notesOf(word, count))), 'applied');
  return { store, take, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

function inFolder(act: (folder: string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-positions-'));
  try {
    act(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a position that was told of before a loss of power is not given to another change after it', () =>
  inFolder((folder) => {
    const [before, after] = [path.join(folder, 'before.db'), path.join(folder, 'after.db')];
    using it = open(before);
    it.take('one', 3);
    // What was synced is what is found after the power came back; all that comes now is lost with it.
    for (const end of ['', '-wal']) cpSync(`${before}${end}`, `${after}${end}`);
    it.take('two', 5);
    const told = it.store.lastPosition();
    using again = open(after);
    again.take('three', 1);
    const [change, ...more] = again.store.changesAfter(told, 10);
    assert.equal(change?.name, 'three 0');
    assert.deepEqual(more, []);
    assert.ok(again.store.firstPosition() <= told);
  }));

test('many changes of others move the ceiling before they are told of', () =>
  inFolder((folder) => {
    const [before, after] = [path.join(folder, 'before.db'), path.join(folder, 'after.db')];
    using it = open(before);
    it.take('one', 3);
    it.take('two', 2_500);
    for (const end of ['', '-wal']) cpSync(`${before}${end}`, `${after}${end}`);
    it.take('three', 900);
    using again = open(after);
    assert.ok(again.store.lastPosition() >= it.store.lastPosition());
  }));

test('a stack that stopped in order goes on without a gap', () =>
  inFolder((folder) => {
    const file = path.join(folder, 'home.db');
    let last: number;
    {
      using it = open(file);
      it.take('one', 3);
      it.store.settlePositions();
      last = it.store.lastPosition();
    }
    using again = open(file);
    assert.equal(again.store.lastPosition(), last);
    again.take('two', 1);
    assert.equal(again.store.lastPosition(), last + 1);
  }));
