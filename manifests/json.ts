// How JSON text (RFC 8259) becomes a value that remembers on which line each part stands; size, depth and double keys are refused.
import { type Problem, pointerOf } from './error.ts';

/** A parsed text: the value, and the line (from 1) on which the value at a path begins. */
export interface LocatedJson {
  readonly value: unknown;
  /** Of the nearest part that stands in the text: a missing key is where its object begins. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** The schema is 7 deep; the rest is room for `x-…` keys. */
const maxDepth = 32;
/** Keys are names; a longer one would stand in the place of each fault below it. */
const maxKeyCharacters = 256;

/** The lines of a value and of its parts. */
interface Lines {
  readonly line: number;
  parts?: Map<PropertyKey, Lines>;
}

class JsonFault extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** The value of a JSON text, or the first problem that keeps it from being one. */
export function parseLocatedJson(
  text: string,
  { maxBytes }: { readonly maxBytes: number },
): LocatedJson | { readonly problem: Problem } {
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

function lineAt(root: Lines | undefined, path: readonly PropertyKey[]): number {
  let found = root;
  for (const key of path) {
    const next = found?.parts?.get(key);
    if (next === undefined) break;
    found = next;
  }
  return found?.line ?? 1;
}

class Reader {
  readonly #text: string;
  #at = 0;
  readonly #lineStarts: number[] = [0];
  readonly #path: PropertyKey[] = [];
  #around: Lines | undefined;

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
  }

  read(): LocatedJson {
    if (this.#text.startsWith('\ufeff')) this.#fail('it begins with a byte order mark', 'save it as UTF-8 without one');
    const root: Lines = { line: 0, parts: new Map() };
    this.#around = root;
    const value = this.#value('');
    this.#space();
    if (this.#at < this.#text.length) this.#fail(`unexpected ${this.#found()} after the end of the value`);
    return { value, lineOf: (path) => lineAt(root.parts?.get(''), path) };
  }

  #value(key: PropertyKey): unknown {
    this.#space();
    const around = this.#around;
    const lines: Lines = { line: this.#line() };
    if (around) {
      around.parts ??= new Map();
      around.parts.set(key, lines);
    }
    this.#around = lines;
    const value = this.#bare();
    this.#around = around;
    return value;
  }

  #bare(): unknown {
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
      if (key.length > maxKeyCharacters)
        this.#fail(`a key of ${key.length} characters: at most ${maxKeyCharacters} are read`);
      this.#path.push(key);
      if (Object.hasOwn(result, key)) this.#fail(`the key "${key}" stands here twice`, 'keep one of them');
      if (key === '__proto__') this.#fail('the key "__proto__" is not allowed');
      this.#space();
      if (!this.#skip(':')) this.#fail(`expected ":" after the key "${key}", found ${this.#found()}`);
      result[key] = this.#value(key);
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
      result.push(this.#value(result.length));
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
