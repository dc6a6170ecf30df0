// `npm run demo`: three stacks as separate processes, one manifest, its containers, and their companion intelligences.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findOrStartEngine } from './engine.ts';
import { Steps } from './steps.ts';
import { tellStory } from './story.ts';

const root = path.dirname(path.dirname(import.meta.dirname));
const { values } = parseArgs({ options: { keep: { type: 'boolean' }, help: { type: 'boolean' } } });
if (values.help) {
  process.stdout.write('Usage: npm run demo [-- --keep]\n\n  --keep  leave all running, and print the links\n');
  process.exit(0);
}

const steps = new Steps(process.stdout);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
const reportFile = path.join(root, 'demo-report.json');

try {
  await using parts = new AsyncDisposableStack();
  const engine = await findOrStartEngine(steps, parts);
  const { links } = await tellStory({ steps, engine, parts, signal: stop.signal });
  await writeFile(reportFile, `${JSON.stringify({ ok: true, ...steps.report() }, null, 2)}\n`);
  process.stdout.write(steps.summary(reportFile));
  if (values.keep) {
    process.stdout.write(`\nLeft running until Ctrl-C:\n${links.map((link) => `  ${link}\n`).join('')}`);
    if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
  }
} catch (error) {
  await writeFile(
    reportFile,
    `${JSON.stringify({ ok: false, error: (error as Error).message, ...steps.report() }, null, 2)}\n`,
  );
  process.stderr.write(`\nThe demo failed: ${(error as Error).stack}\n`);
  process.exitCode = 1;
}
