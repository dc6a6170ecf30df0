// `npm run simulate`: runs scenarios with a seed, prints a report, and exits 1 where something that must hold did not.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { models } from './model.ts';
import { print } from './report.ts';
import { scenarios } from './scenarios.ts';
import { simulate } from './simulate.ts';

const usage = `Usage: npm run simulate -- [options]

  --scenario NAME   ${Object.keys(scenarios).join(', ')} (change)
  --stacks N        how many (32)
  --seed TEXT       the same seed gives the same run (1)
  --model NAME      ${Object.keys(models).join(', ')} (wan)
  --minutes N       how long the scenario's middle part takes, of virtual time
  --changes N       how many changes random stacks write
  --loss SHARE      the share of gossip that is lost, 0 to 1, for the scenario loss
  --records N       notes that each stack has from before (1)
  --zones N         zones that the stacks are parted into (1; the scenario zones: 4)
  --whole N         how many zones run wholly; of the others only the gateways do (all)
  --trace FILE      write each message and event to a file
  --json            one JSON value on stdout

Scenarios:
${Object.entries(scenarios)
  .map(([name, { about }]) => `  ${name.padEnd(11)} ${about}`)
  .join('\n')}

Examples:
  npm run simulate -- --stacks 1000 --scenario partition
  npm run simulate -- --scenario loss --loss 1 --seed 7 --json
  npm run simulate -- --stacks 16 --model loopback --changes 200
`;

const flags = {
  scenario: { type: 'string', default: 'change' },
  stacks: { type: 'string', default: '32' },
  seed: { type: 'string', default: '1' },
  model: { type: 'string', default: 'wan' },
  minutes: { type: 'string' },
  changes: { type: 'string' },
  loss: { type: 'string' },
  records: { type: 'string' },
  zones: { type: 'string' },
  whole: { type: 'string' },
  trace: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const values = readFlags();
  if (typeof values === 'string' || values.help) {
    process.stderr.write(`${typeof values === 'string' ? `${values}\n\n` : ''}${usage}`);
    return typeof values === 'string' ? 2 : 0;
  }
  const { scenario, seed, json, minutes, changes, loss, records, zones, whole } = values;
  const file = values.trace === undefined ? undefined : createWriteStream(values.trace);
  let toldAt = 0;
  const began = performance.now();
  const progress = (text: string): void => {
    if (performance.now() - toldAt < 2_000) return;
    toldAt = performance.now();
    process.stderr.write(`${((toldAt - began) / 1_000).toFixed(0)} s: ${scenario} at ${text}\n`);
  };
  const report = await simulate({
    scenario,
    seed,
    stacks: Number(values.stacks),
    model: values.model as keyof typeof models,
    ...(minutes !== undefined && { minutes: Number(minutes) }),
    ...(changes !== undefined && { changes: Number(changes) }),
    ...(loss !== undefined && { loss: Number(loss) }),
    ...(records !== undefined && { records: Number(records) }),
    ...(zones !== undefined && { zones: Number(zones) }),
    ...(whole !== undefined && { wholeZones: Number(whole) }),
    ...(file && { trace: (line: string) => void file.write(line) }),
    progress,
  });
  if (file) {
    file.end();
    await once(file, 'close');
  }
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : print(report));
  for (const { kind, what, atMs } of report.violations) {
    process.stderr.write(`BROKEN (${kind}) at ${(atMs / 1_000).toFixed(1)} s: ${what}\n`);
  }
  if (!report.ok) process.stderr.write(`The same again: ${report.replay}\n`);
  return report.ok ? 0 : 1;
}

/** The flags, or what is wrong with them. */
function readFlags() {
  try {
    const { values } = parseArgs({ options: flags });
    const known = Object.hasOwn(scenarios, values.scenario) && Object.hasOwn(models, values.model);
    if (!known) return `Cannot simulate "${values.scenario}" with the model "${values.model}": no such name`;
    const wrong = (['stacks', 'minutes', 'changes', 'loss', 'records', 'zones', 'whole'] as const).find((name) => {
      const text = values[name];
      return text !== undefined && !(Number(text) >= (name === 'stacks' || name === 'zones' ? 1 : 0));
    });
    if (wrong) return `Cannot read --${wrong} "${values[wrong]}": give a number`;
    if (Number(values.loss ?? 0) > 1) return `Cannot lose the share ${values.loss}: give 0 to 1`;
    if (!Number.isInteger(Number(values.stacks))) return `Cannot simulate ${values.stacks} stacks: give a whole number`;
    if (Number(values.zones ?? 1) > Number(values.stacks))
      return `Cannot part ${values.stacks} stacks into ${values.zones} zones`;
    return values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
