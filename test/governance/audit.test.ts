// The chain of the audit log, and what becomes of one who changes it by SQL.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Audit, Events, inputDigest } from '#governance';
import { openMemory } from './database.ts';

type Memory = ReturnType<typeof openMemory>;

function makeAudit(database: Memory, stack = '12D3'): Audit {
  let at = 1_700_000_000_000;
  const now = (): number => {
    at += 1000;
    return at;
  };
  return new Audit({ database, stack, now });
}

function fill(audit: Audit, count: number): void {
  for (let index = 1; index <= count; index += 1) {
    audit.append({
      principal: 'ann@one',
      operation: `op_${index}`,
      outcome: 'done',
      inputDigest: inputDigest({ index }),
      rule: 'built-in/member',
    });
  }
}

test('each entry names the hash of the one before, the first that of the stack', () => {
  using database = openMemory();
  const audit = makeAudit(database);
  fill(audit, 3);
  const [first, second, third] = audit.read(0);
  assert.equal(first?.previous, createHash('sha256').update('12D3').digest('hex'));
  assert.deepEqual([first?.sequence, second?.sequence, third?.sequence], [1, 2, 3]);
  assert.deepEqual([second?.previous, third?.previous], [first?.hash, second?.hash]);
  assert.deepEqual(audit.verify(), { intact: true, head: { sequence: 3, hash: third?.hash } });
  assert.equal(first?.at, '2023-11-14T22:13:21.000Z');
  assert.deepEqual(audit.read(1, 1), [second]);
});

test('a log longer than a page is verified whole', () => {
  using database = openMemory();
  const audit = makeAudit(database);
  database.transaction(() => fill(audit, 1203));
  const check = audit.verify();
  assert.ok(check.intact);
  assert.equal(check.head.sequence, 1203);
  database.prepare('DELETE FROM governance_audit WHERE sequence = 1100').run();
  assert.deepEqual(audit.verify(), { intact: false, sequence: 1100, reason: 'missing' });
});

const deeds: readonly [title: string, sql: string, found: { sequence: number; reason: string }][] = [
  [
    'an entry whose content was changed',
    `UPDATE governance_audit SET body = replace(body, 'op_3', 'op_9') WHERE sequence = 3`,
    { sequence: 3, reason: 'changed' },
  ],
  [
    'an entry whose hash was changed',
    `UPDATE governance_audit SET hash = '${'0'.repeat(64)}' WHERE sequence = 4`,
    { sequence: 4, reason: 'changed' },
  ],
  [
    'an entry that is no JSON any more',
    `UPDATE governance_audit SET body = '{' WHERE sequence = 1`,
    { sequence: 1, reason: 'changed' },
  ],
  ['an entry taken out', 'DELETE FROM governance_audit WHERE sequence = 2', { sequence: 2, reason: 'missing' }],
  ['the beginning taken out', 'DELETE FROM governance_audit WHERE sequence < 3', { sequence: 1, reason: 'missing' }],
  [
    'an entry copied over another, with its hash',
    `UPDATE governance_audit SET (body, hash) = (SELECT body, hash FROM governance_audit WHERE sequence = 2) WHERE sequence = 3`,
    { sequence: 3, reason: 'changed' },
  ],
];

for (const [title, sql, found] of deeds) {
  test(`${title} is found (failure mode 37)`, () => {
    using database = openMemory();
    const audit = makeAudit(database);
    fill(audit, 5);
    database.prepare(sql).run();
    assert.deepEqual(audit.verify(), { intact: false, ...found });
  });
}

test('a cut of the end is found where a later head is known, and only there (failure mode 37)', () => {
  using database = openMemory();
  const audit = makeAudit(database);
  fill(audit, 5);
  const head = audit.head();
  database.prepare('DELETE FROM governance_audit WHERE sequence > 3').run();
  assert.equal(audit.verify().intact, true);
  assert.deepEqual(audit.verify(head), { intact: false, sequence: 4, reason: 'missing' });
});

test('a log rewritten whole, with hashes that fit, is found where a head is known (failure mode 37)', () => {
  using database = openMemory();
  const audit = makeAudit(database);
  fill(audit, 3);
  const head = audit.head();
  fill(audit, 1);
  assert.equal(audit.verify(head).intact, true, 'a log may grow after its head');
  database.prepare('DELETE FROM governance_audit').run();
  fill(audit, 5);
  assert.deepEqual(audit.verify(head), { intact: false, sequence: 3, reason: 'rewritten' });
});

test('the log of one stack does not pass for that of another (failure mode 37)', () => {
  using database = openMemory();
  fill(makeAudit(database, 'one'), 2);
  assert.deepEqual(makeAudit(database, 'two').verify(), { intact: false, sequence: 1, reason: 'unchained' });
});

test('a deed, its event and its entry stand together or not at all', () => {
  using database = openMemory();
  const audit = makeAudit(database);
  const events = new Events({ database, stack: '12D3', now: () => 0, newId: () => 'one' });
  const act = (fails: boolean): void =>
    database.transaction(() => {
      database.prepare(`INSERT INTO deed VALUES ('run web')`).run();
      events.append({ type: 'io.hermesh.container.started', data: {} });
      fill(audit, 1);
      if (fails) throw new Error('power is lost');
    });
  assert.throws(() => act(true), /power is lost/);
  assert.deepEqual([database.deeds(), events.read(0).events, audit.read(0)], [[], [], []]);
  act(false);
  assert.deepEqual([database.deeds().length, events.read(0).events.length, audit.read(0).length], [1, 1, 1]);
  assert.equal(audit.verify().intact, true);
});

test('the digest of an input depends on what it says, not on the order of its keys, and not on its secrets', () => {
  assert.equal(inputDigest({ a: 1, b: [2] }), inputDigest({ b: [2], a: 1 }));
  assert.notEqual(inputDigest({ a: 1 }), inputDigest({ a: 2 }));
  assert.equal(
    inputDigest({ name: 'x', value: 'hunter2' }, ['value']),
    inputDigest({ name: 'x', value: '?' }, ['value']),
  );
});
