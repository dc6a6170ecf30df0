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

test('works that come together share one commit, and one that throws takes back its own part only', async () => {
  using it = open();
  const commits: number[] = [];
  const put = (name: string) => () => {
    it.database.afterCommit(() => commits.push(it.all().length));
    it.add(name);
    return name;
  };
  const works = [
    it.database.group(put('a')),
    it.database.group(() => {
      it.add('half');
      throw new Error('no');
    }),
    it.database.group(put('b')),
    it.database.group(() => it.all().join()),
  ];
  const ended = await Promise.allSettled(works);
  assert.deepEqual(
    ended.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message)),
    ['a', 'no', 'b', 'a,b'],
  );
  assert.deepEqual(commits, [2, 2], 'both saw the same commit');
  assert.deepEqual(it.all(), ['a', 'b']);
});

test('where the commit of a group fails for one of them, the others are kept', async () => {
  using it = open();
  const put = (name: string) => () => {
    it.add(name);
    it.database.beforeCommit(() => {
      if (it.all().includes('full')) throw new Error('too many');
    });
  };
  const ended = await Promise.allSettled(['a', 'full', 'b'].map((name) => it.database.group(put(name))));
  assert.deepEqual(
    ended.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(it.all(), ['a', 'b']);
});

test('what was kept in memory is undone with the transaction, the latest first', () => {
  using it = open();
  const undone: string[] = [];
  it.database.transaction(() => {
    it.database.afterRollback(() => undone.push('never'));
    assert.throws(() =>
      it.database.transaction(() => {
        it.database.afterRollback(() => undone.push('first'));
        it.database.transaction(() => it.database.afterRollback(() => undone.push('second')));
        throw new Error('no');
      }),
    );
  });
  assert.deepEqual(undone, ['second', 'first']);
});

test('more works than a commit takes are refused, and those that wait when the database closes are told', async () => {
  const it = open();
  const works = Array.from({ length: 2_049 }, (_, at) => it.database.group(() => at));
  const isCode = (code: string) => (error: unknown) => error instanceof RegistryError && error.code === code;
  const last = works.pop();
  await assert.rejects(last ?? Promise.resolve(), isCode('busy'));
  assert.equal((await Promise.all(works)).length, 2_048);
  const late = it.database.group(() => 0);
  it[Symbol.dispose]();
  await assert.rejects(late, isCode('closed'));
});
