// The row of lookups: one record of ten thousand by kind and name, within the process, as the daemon's own parts ask.
import { randomBytes } from 'node:crypto';
import { Constellation } from '../../test/support/constellation.ts';
import type { Row } from '../row.ts';

const records = 10_000;
const lookups = 200_000;

export const lookupRow: Row = {
  name: 'lookup',
  claim: 'directory.get(kind, name) over 10,000 records, hot, in process',
  unit: 'per s',
  figure: 'median',
  better: 'more',
  limit: 150_000,
  async measure(rounds) {
    await using sky = new Constellation();
    const { registry } = await sky.open('bench');
    const names = Array.from({ length: records - 1 }, (_, at) => `note-${at}-${randomBytes(4).toString('hex')}`);
    registry.write(names.map((name) => ({ kind: 'note', name, body: { text: `the text of ${name}` } })));
    const samples: number[] = [];
    // The first round fills what is kept in memory; it isn't counted.
    for (let round = 0; round <= rounds; round += 1) {
      const started = performance.now();
      for (let at = 0; at < lookups; at += 1) {
        // A step that shares no divisor with the number of names, so that neighbours come far apart.
        const name = names[(at * 7_919) % names.length] ?? '';
        if (registry.directory.get('note', name)?.name !== name) throw new Error(`"${name}" was not found`);
      }
      if (round > 0) samples.push(lookups / ((performance.now() - started) / 1000));
    }
    return { samples };
  },
};
