// What happens together is one transaction, and what leaves, leaves after it.
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openDatabase, RegistryError } from '#registry';

const floor = { floor: 'test', migrations: ['CREATE TABLE item (name TEXT PRIMARY KEY) STRICT'] };

function open(file = ':memory:') {
  const database = openDatabase(file, [floor]);
  const add = (name: string) => database.prepare('INSERT INTO item VALUES (?)').run(name);
  const all = () =>
    database
      .prepare<{ name: string }>('SELECT name FROM item ORDER BY name')
      .all()
      .map(({ name }) => name);
  return { database, add, all, [Symbol.dispose]: () => database[Symbol.dispose]() };
}

test('a nested transaction that throws takes back its own part only', () => {
  using it = open();
  it.database.transaction(() => {
    it.add('outer');
    assert.throws(() =>
      it.database.transaction(() => {
        it.add('inner');
        throw new Error('no');
      }),
    );
    it.add('after');
  });
  assert.deepEqual(it.all(), ['after', 'outer']);
});

test('hooks run once with the outermost commit, and those of a part that was taken back do not', () => {
  using it = open();
  const seen: string[] = [];
  const before = (): void => {
    seen.push(`before ${it.all().length}`);
    it.add('hook');
  };
  it.database.transaction(() => {
    it.database.transaction(() => {
      it.add('one');
      it.database.beforeCommit(before);
      it.database.beforeCommit(before);
      it.database.afterCommit(() => seen.push(`after ${it.database.inTransaction}`));
    });
    assert.throws(() =>
      it.database.transaction(() => {
        it.database.beforeCommit(() => seen.push('never'));
        it.database.afterCommit(() => seen.push('never'));
        throw new Error('no');
      }),
    );
    assert.deepEqual(seen, []);
  });
  assert.deepEqual(seen, ['before 1', 'after false']);
  assert.deepEqual(it.all(), ['hook', 'one']);
});

test('a hook that throws before the commit takes everything back, and nothing leaves', () => {
  using it = open();
  assert.throws(
    () =>
      it.database.transaction(() => {
        it.add('one');
        it.database.afterCommit(() => assert.fail('left'));
        it.database.beforeCommit(() => {
          throw new Error('full');
        });
      }),
    /full/,
  );
  assert.deepEqual(it.all(), []);
  it.database.transaction(() => it.add('two'));
  assert.deepEqual(it.all(), ['two']);
});

test('a transaction is synchronous', () => {
  using it = open();
  assert.throws(() => it.database.transaction(async () => it.add('late')), TypeError);
  assert.deepEqual(it.all(), []);
});

test('migrations are counted for each floor, and a database that newer code wrote is refused', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-database-'));
  try {
    const file = path.join(folder, 'home.db');
    const second = 'ALTER TABLE item ADD COLUMN size INTEGER';
    openDatabase(file, [floor])[Symbol.dispose]();
    const other = { floor: 'other', migrations: ['CREATE TABLE thing (name TEXT) STRICT'] };
    openDatabase(file, [{ ...floor, migrations: [...floor.migrations, second] }, other])[Symbol.dispose]();
    openDatabase(file, [{ ...floor, migrations: [...floor.migrations, second] }, other])[Symbol.dispose]();
    assert.throws(
      () => openDatabase(file, [floor, other]),
      (error) => error instanceof RegistryError && error.code === 'database-newer',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a file with damaged pages is refused with what mends it (failure mode 21)', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-damaged-'));
  const isBroken = (error: unknown): boolean =>
    error instanceof RegistryError && error.code === 'database-broken' && /move the file/.test(error.message);
  try {
    const file = path.join(folder, 'home.db');
    {
      using it = open(file);
      it.database.transaction(() => {
        for (let at = 0; at < 5_000; at += 1) it.add(`${at} ${'x'.repeat(50)}`);
      });
      it.database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    }
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.alloc(20_000, 0xa5), 0, 20_000, Math.floor(statSync(file).size / 2));
    closeSync(handle);
    assert.throws(() => openDatabase(file, [floor]), isBroken);
    const other = path.join(folder, 'other.db');
    writeFileSync(other, Buffer.alloc(8_192, 0xa5));
    assert.throws(() => openDatabase(other, [floor]), isBroken);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
