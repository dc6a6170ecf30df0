// How JSON text (RFC 8259) becomes a value that remembers on which line each part stands; size, depth and double keys are refused.
import { type Problem, pointerOf } from './error.ts';

/** A parsed text: the value, and the line (from 1) of each value by its JSON pointer. */
export interface LocatedJson {
  readonly value: unknown;
  readonly lines: ReadonlyMap<string, number>;
}

/** Far above any manifest written by hand; it bounds what is read before anything is checked. */
const maxBytes = 1024 * 1024;
/** The schema is 7 deep; the rest is room for `x-…` keys. */
const maxDepth = 32;

class JsonFault extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** The value of a JSON text, or the first problem that keeps it from being one. */
export function parseLocatedJson(text: string): LocatedJson | { readonly problem: Problem } {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > maxBytes) {
    const message = `the file has ${sizeBytes} bytes: at most ${maxBytes} are read`;
    return { problem: { pointer: '', line: undefined, message, mend: undefined } };
  }
  try {
    return new Reader(text).read();
  } catch (error) {
    if (error instanceof JsonFault) return { problem: error.problem };
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  readonly #lines = new Map<string, number>();
  readonly #lineStarts: number[] = [0];
  readonly #path: PropertyKey[] = [];

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
  }

  read(): LocatedJson {
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#fail(`unexpected ${this.#found()} after the end of the value`);
    return { value, lines: this.#lines };
  }

  #value(): unknown {
    this.#space();
    this.#lines.set(pointerOf(this.#path), this.#line());
    if (this.#path.length > maxDepth) this.#fail(`nested deeper than ${maxDepth}`);
    const character = this.#text[this.#at];
    if (character === '{') return this.#object();
    if (character === '[') return this.#array();
    if (character === '"') return this.#string();
    const match = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
    match.lastIndex = this.#at;
    const literal = match.exec(this.#text)?.[0];
    if (literal === undefined) this.#fail(`expected a value, found ${this.#found()}`);
    this.#at += literal.length;
    return JSON.parse(literal);
  }

  #object(): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    this.#at += 1;
    this.#space();
    if (this.#skip('}')) return result;
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail(`expected a key in double quotes, found ${this.#found()}`);
      const key = this.#string();
      this.#path.push(key);
      if (Object.hasOwn(result, key)) this.#fail(`the key "${key}" stands here twice`, 'keep one of them');
      if (key === '__proto__') this.#fail('the key "__proto__" is not allowed');
      this.#space();
      if (!this.#skip(':')) this.#fail(`expected ":" after the key "${key}", found ${this.#found()}`);
      result[key] = this.#value();
      this.#path.pop();
      this.#space();
    } while (this.#skip(','));
    if (!this.#skip('}')) this.#fail(`expected "," or "}", found ${this.#found()}`);
    return result;
  }

  #array(): unknown[] {
    const result: unknown[] = [];
    this.#at += 1;
    this.#space();
    if (this.#skip(']')) return result;
    do {
      this.#path.push(result.length);
      result.push(this.#value());
      this.#path.pop();
      this.#space();
    } while (this.#skip(','));
    if (!this.#skip(']')) this.#fail(`expected "," or "]", found ${this.#found()}`);
    return result;
  }

  #string(): string {
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== '"' && this.#text[end] !== '\n') {
      end += this.#text[end] === '\\' ? 2 : 1;
    }
    if (this.#text[end] !== '"') this.#fail('a string without its closing quote');
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(this.#at, end + 1));
    } catch {
      this.#fail('a string with a control character or a wrong escape');
    }
    if (typeof value !== 'string' || !value.isWellFormed()) this.#fail('a string that is not valid Unicode');
    this.#at = end + 1;
    return value;
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? '!')) this.#at += 1;
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #found(): string {
    const character = this.#text[this.#at];
    return character === undefined ? 'the end of the file' : JSON.stringify(character);
  }

  /** Binary search of the line that holds the current position. */
  #line(): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= this.#at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #fail(message: string, mend?: string): never {
    throw new JsonFault({ pointer: pointerOf(this.#path), line: this.#line(), message, mend });
  }
}
