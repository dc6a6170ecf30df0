// A report as people read it.
import type { Quantiles, Report } from './simulate.ts';

/** Lines of text, with a line feed at the end. */
export function print(report: Report): string {
  const { scenario, stacks, seed, model, ok, connectionsAStack, virtualMs, events, wallMs, residentBytes } = report;
  const lines = [
    `${scenario}: ${stacks} stacks, seed ${seed}, model ${model}: ${ok ? 'all checks hold' : `${report.violations.length} BROKEN CHECKS`}`,
    '',
    ...Object.entries(report.convergence).map(
      ([phase, { changes, first, last }]) =>
        `  ${`${changes} changes, ${phase}`.padEnd(28)} first stack ${quantiles(first)}   last stack ${quantiles(last)}`,
    ),
    ...Object.entries(report.outcome).map(([name, value]) => `  ${words(name).padEnd(40)} ${figure(name, value)}`),
    `  ${'connections a stack'.padEnd(40)} ${connectionsAStack.toFixed(1)}`,
    ...Object.entries(report.shown).map(
      ([state, count]) => `  ${`glances at one that runs: ${state}`.padEnd(40)} ${count}`,
    ),
    ...Object.entries(report.warnings).map(([text, count]) => `  ${`warned: ${text}`.padEnd(40)} ${count}`),
    '',
    `  ${(virtualMs / 1_000).toFixed(0)} s of virtual time, ${events} events, in ${(wallMs / 1_000).toFixed(1)} s with ${(residentBytes / 2 ** 20).toFixed(0)} MB`,
    `  trace ${report.traceHash}`,
    `  ${report.replay}`,
  ];
  return `${lines.join('\n')}\n`;
}

function quantiles({ p50, p99, worst }: Quantiles): string {
  return `p50 ${p50.toFixed(0)} p99 ${p99.toFixed(0)} worst ${worst.toFixed(0)} ms`;
}

function words(name: string): string {
  return name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`).replace(/ ms$/, '');
}

function figure(name: string, value: number): string {
  if (name.endsWith('Ms')) return `${(value / 1_000).toFixed(1)} s`;
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
