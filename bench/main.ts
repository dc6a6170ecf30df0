// `npm run bench`: measures each row, prints them as a table, and keeps each in bench/results.json.
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Result, type Row, resultOf } from './row.ts';
import { buildMemoryRow, buildRows } from './rows/builds.ts';
import { calibrationRow } from './rows/calibration.ts';
import { changeCostRow } from './rows/change-cost.ts';
import { convergenceRows } from './rows/convergence.ts';
import { detectionRows } from './rows/detection.ts';
import { blobMemoryRow, loopbackTransferRow, missingOnlyRow, swarmRow } from './rows/exchange.ts';
import { httpRows } from './rows/http.ts';
import { lookupRow } from './rows/lookup.ts';
import { memoryRows } from './rows/memory.ts';
import { newcomerRow } from './rows/newcomer.ts';
import { replicationRow } from './rows/replication.ts';
import { restRow } from './rows/rest.ts';
import { demoRow, startRow, statusRow, testRow } from './rows/start.ts';
import { supplyRow } from './rows/supply.ts';

/** A result as the file keeps it: when it was measured, and the load of the minute before. */
type Kept = Result & { readonly at: string; readonly load: number };

const rows: readonly Row[] = [
  startRow,
  statusRow,
  replicationRow,
  lookupRow,
  ...httpRows,
  newcomerRow,
  changeCostRow,
  ...convergenceRows,
  calibrationRow,
  ...detectionRows,
  restRow,
  loopbackTransferRow,
  missingOnlyRow,
  blobMemoryRow,
  swarmRow,
  supplyRow,
  ...buildRows,
  buildMemoryRow,
  ...memoryRows,
  demoRow,
  testRow,
];
const usage = `Usage: npm run bench [-- --only NAME[,NAME...]] [-- --rounds N]

Rows: ${rows.map(({ name }) => name).join(', ')}
`;

const { values } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string', default: '5' }, help: { type: 'boolean' } },
});
const wanted = values.only?.split(',');
const unknown = wanted?.filter((name) => !rows.some((row) => row.name === name)) ?? [];
if (values.help || unknown.length > 0) {
  process.stderr.write(`${unknown.length > 0 ? `Unknown rows: ${unknown.join(', ')}\n` : ''}${usage}`);
  process.exit(values.help ? 0 : 2);
}

// What rows started ends with this process, however it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const file = path.join(import.meta.dirname, 'results.json');
const machine = { cores: cpus().length, cpu: cpus()[0]?.model, node: process.version };
const results: Result[] = [];
for (const row of rows.filter(({ name }) => wanted?.includes(name) ?? true)) {
  say(`${row.name}: ${row.claim}`);
  const load = loadavg()[0] ?? 0;
  const result = resultOf(row, await row.measure(Number(values.rounds), (text) => say(`  ${text}`)));
  results.push(result);
  await keep({ ...result, at: new Date().toISOString(), load });
}

process.stdout.write(`${table(results)}\n`);
say(`Written to ${file}`);
process.exitCode = results.every(({ holds }) => holds) ? 0 : 1;

/** Replaces the row in the file, at once: a later row that breaks loses none that was measured. */
async function keep(measured: Kept): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  const known = (JSON.parse(text) as { results?: readonly Kept[] }).results ?? [];
  const all = [...known.filter(({ name }) => name !== measured.name), measured];
  const kept = rows.flatMap(({ name }) => all.find((one) => one.name === name) ?? []);
  await writeFile(file, `${JSON.stringify({ machine, results: kept }, null, 2)}\n`);
}

function table(all: readonly Result[]): string {
  const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
  const lines = all.map((one) => [
    one.name,
    `${number(one.value)} ${one.unit}`,
    `${one.figure} of ${one.count}`,
    `${number(one.min)} to ${number(one.max)}`,
    limitsOf(one),
    one.holds ? 'holds' : 'DOES NOT HOLD',
    one.peer ? `${one.peer.ratio.toFixed(2)} x ${one.peer.name} (${number(one.peer.value)} ${one.unit})` : '',
  ]);
  const header = ['ROW', 'VALUE', 'FIGURE', 'RANGE', 'LIMIT', '', 'AGAINST'];
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map((line) => line[column]?.length ?? 0)));
  return [header, ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function limitsOf({ better, limit, limitRatio, unit, peer }: Result): string {
  const bound = better === 'less' ? 'at most' : 'at least';
  const limits = [
    limit === undefined ? '' : `${limit} ${unit}`,
    limitRatio === undefined ? '' : `${limitRatio} x ${peer?.name}`,
  ].filter((each) => each !== '');
  return `${bound} ${limits.join(' and ')}`;
}
