// What the commands print: results to stdout, progress and faults to stderr, and the exit code that goes with each.
import { styleText } from 'node:util';
import { ClientError } from '#daemon/client';
import { problemOf } from '../problem.ts';

export interface Output {
  /** One JSON value on stdout and nothing else there, or the text for people. */
  result(value: unknown, text: () => string): void;
  progress(progress: { readonly message: string; readonly fraction?: number }): void;
  /** Ends the live line of the progress, where there is one. */
  endProgress(): void;
  note(text: string): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** On a terminal, progress is one live line; elsewhere it is plain lines, and none with `--quiet`. */
export function openOutput({ json, quiet }: OutputOptions): Output {
  const { stdout, stderr } = process;
  const isLive = stderr.isTTY === true;
  let isOpen = false;
  let last = '';
  const endProgress = (): void => {
    if (isOpen) stderr.write('\r\x1b[2K');
    isOpen = false;
  };
  return {
    result(value, text) {
      endProgress();
      stdout.write(`${json ? JSON.stringify(value) : text()}\n`);
    },
    progress({ message, fraction }) {
      if (quiet) return;
      const line = fraction === undefined ? message : `${message} (${Math.floor(fraction * 100)} %)`;
      if (isLive) {
        stderr.write(`\r\x1b[2K${line.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}`);
        isOpen = true;
      } else if (message !== last) {
        stderr.write(`${line}\n`);
      }
      last = message;
    },
    endProgress,
    note(text) {
      endProgress();
      if (!quiet) stderr.write(`${text}\n`);
    },
  };
}

/** Prints a fault with its mend, and gives the exit code of CONTRACT.md. */
export function printFault(error: unknown, { json }: { readonly json: boolean }): number {
  const problem =
    error instanceof ClientError
      ? { code: error.code, message: error.message, mend: error.mend, exitCode: error.exitCode }
      : problemOf(error);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ error: { code: problem.code, message: problem.message, mend: problem.mend } })}\n`,
    );
  process.stderr.write(`${styleText('red', 'error', { stream: process.stderr })}: ${problem.message}\n`);
  if (problem.mend) process.stderr.write(`  mend: ${problem.mend}\n`);
  return problem.exitCode;
}
