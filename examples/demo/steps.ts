// The steps of the demo: each is timed, says what it proved, and leaves its facts in the report.
import { styleText } from 'node:util';

interface Step {
  readonly name: string;
  readonly ms: number;
  readonly said: string;
}

export class Steps {
  readonly #out: NodeJS.WriteStream;
  readonly #done: Step[] = [];
  readonly #facts: Record<string, unknown> = {};
  readonly #started = performance.now();

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Runs one step; `work` throws where what the step claims isn't so, and gives a line for the reader. */
  async run(name: string, work: () => Promise<string>): Promise<void> {
    const started = performance.now();
    const said = await work();
    const ms = Math.round(performance.now() - started);
    this.#done.push({ name, ms, said });
    const number = String(this.#done.length).padStart(2);
    this.#out.write(`${number}. ${styleText('bold', name, { stream: this.#out })} (${ms} ms)\n`);
    for (const line of said.split('\n')) this.#out.write(`      ${line}\n`);
  }

  /** What a step found out, for the report. */
  fact(name: string, value: unknown): void {
    this.#facts[name] = value;
  }

  note(text: string): void {
    this.#out.write(`    ${text}\n`);
    this.#facts['notes'] = [...((this.#facts['notes'] as string[] | undefined) ?? []), text];
  }

  report(): object {
    return { totalMs: Math.round(performance.now() - this.#started), steps: this.#done, ...this.#facts };
  }

  summary(reportFile: string): string {
    const total = ((performance.now() - this.#started) / 1000).toFixed(1);
    const notes = ((this.#facts['notes'] as string[] | undefined) ?? []).map((note) => `Left out: ${note}\n`).join('');
    return `\n${this.#done.length} steps, each checked, in ${total} s. ${notes}The report: ${reportFile}\n`;
  }
}

/** Throws with what was expected and what there is. */
export function check(isSo: unknown, claim: string, seen?: unknown): asserts isSo {
  if (!isSo) throw new Error(`Not so: ${claim}${seen === undefined ? '' : `; seen: ${JSON.stringify(seen)}`}`);
}
