// Disks and databases that fail under a daemon: full, held by another process, and not what they were.
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { makeFleetStack, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';
import { openSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

/** Room for a database, its log and a page of each table. */
const diskBytes = 16 * 1024 * 1024;
/** What a second process may hold the lock for without a write being refused: less than the 5 s that SQLite waits. */
const shortlyMs = 1_500;
const tooLongMs = 7_000;

test('a daemon whose disk is full refuses writes with what to do, reads and takes part, and goes on when there is room (failure mode 21)', {
  skip: whyNoSmallDisk() ?? false,
}, async () => {
  using disk = openSmallDisk(diskBytes);
  await using fleet = await startFleet(['other']);
  const [other] = fleet.stacks;
  assert.ok(other);
  await using full = await makeFleetStack('full', { home: path.join(disk.directory, 'home') });
  const { token } = (await other.client.call('POST', '/api/mesh/invites', {})) as { token: string };
  await full.start({ flags: ['--join', token] });
  await full.register('before');
  await showComponents([full, other], ['before']);

  disk.fill();
  const kept = ['before'];
  let refusal: { code?: string; mend?: string } | undefined;
  // The log of the database may have room for some more; what it acknowledges counts.
  for (let index = 0; index < 200 && !refusal; index += 1) {
    try {
      await full.register(`on-full-${index}`);
      kept.push(`on-full-${index}`);
    } catch (error) {
      refusal = error as { code?: string; mend?: string };
    }
  }
  assert.equal(refusal?.code, 'no-space');
  assert.match(refusal?.mend ?? '', /free some space/);
  await other.register('from-the-other');
  assert.deepEqual(await full.components().then((all) => all.filter((name) => name !== 'from-the-other')), kept.sort());
  assert.equal((await full.stacks()).length, 2, 'it still answers');

  disk.free();
  await full.register('after');
  await showComponents([full, other], [...kept, 'from-the-other', 'after'], { timeoutMs: 60_000 });
  await seeOneAnother([full, other]);
});

test('a write waits while another process holds the database, is refused as busy after 5 s, and nothing is lost (failure mode 21)', async () => {
  await using fleet = await startFleet(['held']);
  const [held] = fleet.stacks;
  assert.ok(held);
  const holder = new Sqlite(path.join(held.home, 'hermesh.sqlite'));
  try {
    holder.exec('BEGIN IMMEDIATE');
    const waiting = held.register('patient');
    await pause(shortlyMs);
    holder.exec('ROLLBACK');
    await waiting;
    holder.exec('BEGIN IMMEDIATE');
    const refused = assert.rejects(held.register('refused'), { code: 'busy' });
    await pause(tooLongMs);
    holder.exec('ROLLBACK');
    await refused;
  } finally {
    holder.close();
  }
  await held.register('after');
  assert.deepEqual(await held.components(), ['after', 'patient']);
});

test('a stack whose database is gone takes back its place with an invite, and nobody holds it for a thief (failure mode 21)', async () => {
  await using fleet = await startFleet(['founder', 'lost', 'third']);
  const [founder, lost, third] = fleet.stacks;
  assert.ok(founder && lost && third);
  await lost.register('of-before');
  await third.register('of-third');
  await showComponents(fleet.stacks, ['of-before', 'of-third']);
  await lost.kill('SIGTERM');
  for (const file of readdirSync(lost.home).filter((name) => name.startsWith('hermesh.sqlite'))) {
    renameSync(path.join(lost.home, file), path.join(lost.home, `away-${file}`));
  }
  const { token } = (await founder.client.call('POST', '/api/mesh/invites', {})) as { token: string };
  await lost.start({ flags: ['--join', token] });
  await seeOneAnother(fleet.stacks);
  await lost.register('of-after');
  await showComponents(fleet.stacks, ['of-after', 'of-third'], { exactly: false });
});

test('a daemon whose database is damaged says so and how to mend it, and goes on in its place once that is done (failure mode 21)', async () => {
  await using fleet = await startFleet(['founder', 'damaged', 'third']);
  const [founder, damaged, third] = fleet.stacks;
  assert.ok(founder && damaged && third);
  await damaged.register('of-before');
  await third.register('of-third');
  await showComponents(fleet.stacks, ['of-before', 'of-third']);
  await damaged.kill('SIGTERM');
  const file = path.join(damaged.home, 'hermesh.sqlite');
  scribble(file);
  const before = readFileSync(file);
  await assert.rejects(damaged.start(), (error: Error) => {
    assert.match(error.message, /its pages are damaged/);
    assert.match(error.message, /move the file .* away, start again and join the mesh with a new invite/);
    return true;
  });
  assert.deepEqual(readFileSync(file), before, 'what a person may still want to read stays as it is');
  for (const name of readdirSync(damaged.home).filter((each) => each.startsWith('hermesh.sqlite'))) {
    renameSync(path.join(damaged.home, name), path.join(damaged.home, `away-${name}`));
  }
  const { token } = (await founder.client.call('POST', '/api/mesh/invites', {})) as { token: string };
  await damaged.start({ flags: ['--join', token] });
  await seeOneAnother(fleet.stacks);
  // The records of others come back by themselves; a component registers again, as its heartbeat tells it to.
  await damaged.register('of-before');
  await damaged.register('of-after');
  await showComponents(fleet.stacks, ['of-before', 'of-after', 'of-third']);
});

test('a daemon refuses a home that a newer program wrote, leaves it as it is, and the newer program goes on with it (failure mode 31)', async () => {
  await using fleet = await startFleet(['other', 'newer']);
  const [other, newer] = fleet.stacks;
  assert.ok(other && newer);
  await newer.register('of-newer');
  await newer.kill('SIGTERM');
  const file = path.join(newer.home, 'hermesh.sqlite');
  step(file, 1);
  await assert.rejects(newer.start(), /knows \d+; start the newer program/);
  step(file, -1);
  await newer.start();
  await newer.register('later');
  await seeOneAnother(fleet.stacks);
  await showComponents(fleet.stacks, ['later', 'of-newer']);
});

/** As if the program that wrote it last knew so many migrations more. */
function step(file: string, versions: number): void {
  const database = new Sqlite(file);
  try {
    database.prepare("UPDATE floor_version SET version = version + ? WHERE floor = 'registry'").run(versions);
  } finally {
    database.close();
  }
}

/** Writes over each fourth page but the first, as a broken disk does. */
function scribble(file: string): void {
  const pageBytes = 4096;
  const { size } = statSync(file);
  const handle = openSync(file, 'r+');
  try {
    for (let at = pageBytes; at + pageBytes <= size; at += 4 * pageBytes) {
      writeSync(handle, Buffer.alloc(pageBytes, 'damage'), 0, pageBytes, at);
    }
  } finally {
    closeSync(handle);
  }
}
