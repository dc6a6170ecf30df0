// Clocks that are set while a daemon runs; the time that only goes on stays true.
import assert from 'node:assert/strict';
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';

const library = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0];
const skip = library !== undefined && existsSync(library) ? false : 'libfaketime is not installed';

const jumps = [
  ['an hour forth', '+3600'],
  ['an hour back', '-3600'],
  ['a year back', '-31536000'],
  ['a year forth', '+31536000'],
] as const;

test('a clock that is set an hour or a year forth or back loses no record, no member and no component (failure mode 11)', {
  skip,
}, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hermesh-clock-'));
  try {
    const offset = path.join(folder, 'offset');
    writeFileSync(offset, '+0\n');
    const faked = {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    await using fleet = await startFleet(['true-one', 'true-two', 'true-three', 'set'], {
      environmentOf: { set: faked },
    });
    const set = fleet.stacks.find(({ name }) => name === 'set');
    assert.ok(set);
    await set.register('before');
    const written = ['before'];
    await showComponents(fleet.stacks, written);
    for (const [how, seconds] of jumps) {
      await t.test(how, async () => {
        writeFileSync(offset, `${seconds}\n`);
        await pause(1_500);
        for (const stack of fleet.stacks) {
          const name = `${stack.name}-${how.replaceAll(' ', '-')}`;
          await stack.register(name);
          written.push(name);
        }
        await showComponents(fleet.stacks, written);
        await seeOneAnother(fleet.stacks);
        for (const stack of fleet.stacks) {
          const states = (await stack.stacks()).map(({ name, liveness }) => `${name} ${liveness.state}`).sort();
          assert.deepEqual(states, ['set up', 'true-one up', 'true-three up', 'true-two up'], stack.name);
        }
      });
    }
    writeFileSync(offset, '+0\n');
    await showComponents(fleet.stacks, written);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
