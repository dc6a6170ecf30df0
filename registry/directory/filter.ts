// The language of filters: CEL over one record, checked when it is read and bounded when it is run.
import { createRequire } from 'node:module';
import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import { RegistryError } from '../registry-error.ts';

/** What a filter can speak of. */
export interface Facts {
  readonly kind: string;
  readonly name: string;
  /** Name and id of the stack that owns the record. */
  readonly stack: string;
  readonly stackId: string;
  /** Of the stack that owns it, as its own record says; empty where it says nothing. */
  readonly site: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the body; empty where it has none. */
  readonly health: string;
  readonly capabilities: readonly string[];
  /** The presence of the owner, such as `up`. */
  readonly state: string;
  readonly body: unknown;
}

/** A filter that was read; `uses` says which facts it asks for, so that only these are gathered. */
export interface Filter {
  readonly text: string;
  uses(fact: keyof Facts): boolean;
  /** False too where a field is missing or has another type than the filter takes it for; never throws. */
  matches(facts: Partial<Facts>): boolean;
}

/** What a person types; a longer one is a program. */
export const maxFilterLength = 1_000;
/** Filters that were read and may come again: those of dashboards and scripts. */
const maxKept = 100;
/**
 * A run costs at most nodes x bytes of one record (16 KiB): no filter within a filter, no functions that build longer
 * values out of shorter ones, and no regular expressions, which can take for ever.
 */
const limits = { maxAstNodes: 200, maxDepth: 24, maxListElements: 50, maxMapEntries: 10, maxCallArguments: 4 };
const calls = new Set(['has', 'size', 'int', 'double', 'string', 'timestamp', 'duration', 'dyn']);
const methods = new Set(['startsWith', 'endsWith', 'contains', 'size', 'lowerAscii', 'upperAscii', 'trim']);
const loops = new Set(['all', 'exists', 'exists_one']);
/** Inside of a loop only its variable and short facts may be named, else its cost is the square of a record. */
const short = new Set(['kind', 'name', 'stack', 'stackId', 'site', 'region', 'health', 'state']);
const example = 'such as: kind == "ci" && labels.tier == "edge" && body.services.exists(s, s.port == 6379)';

const load = createRequire(import.meta.url);
let opened: Environment | undefined;

/** The library is loaded by the first filter: most starts and commands need none. */
function environment(): Environment {
  if (opened) return opened;
  const cel = load('@marcbachmann/cel-js') as typeof import('@marcbachmann/cel-js');
  opened = new cel.Environment({ unlistedVariablesAreDyn: false, limits });
  for (const name of short) opened.registerVariable(name, 'string');
  opened.registerVariable('labels', 'map<string, string>');
  opened.registerVariable('capabilities', 'list<string>');
  opened.registerVariable('body', 'dyn');
  return opened;
}

const kept = new Map<string, Filter>();

/** Reads a filter; throws `bad-filter` with the place (counted from 1) and what is wrong there. */
export function parseFilter(text: string): Filter {
  const known = kept.get(text);
  if (known) return known;
  const filter = read(text);
  const oldest = kept.keys().next();
  if (kept.size >= maxKept && !oldest.done) kept.delete(oldest.value);
  kept.set(text, filter);
  return filter;
}

function read(text: string): Filter {
  if (text.trim() === '') throw bad(text, 'it is empty', 0);
  if (text.length > maxFilterLength) {
    throw bad(`${text.slice(0, 40)}…`, `it has ${text.length} characters and may have ${maxFilterLength}`, 0);
  }
  const run = parsed(text);
  const used = new Set<string>();
  inspect(run.ast, text, undefined, used);
  const { valid, type, error } = run.check();
  if (!valid) throw bad(text, error?.summary ?? 'its types do not agree', error?.range?.start ?? 0);
  if (type !== 'bool' && type !== 'dyn') throw bad(text, `it gives a ${type}, and a filter gives true or false`, 0);
  return {
    text,
    uses: (fact) => used.has(fact),
    matches(facts) {
      try {
        return run(facts) === true;
      } catch {
        return false;
      }
    },
  };
}

function parsed(text: string) {
  try {
    return environment().parse(text);
  } catch (error) {
    const { summary, range, message } = error as { summary?: string; range?: { start: number }; message: string };
    throw bad(text, summary ?? message, range?.start ?? 0);
  }
}

/** Walks the tree: refuses what isn't bounded, and gathers the variables. `loop` is the variable of the loop it is in. */
function inspect(node: ASTNode, text: string, loop: string | undefined, used: Set<string>): void {
  const deeper = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(deeper);
    else if (isNode(value)) inspect(value, text, loop, used);
  };
  if (node.op === 'id') {
    if (loop !== undefined && node.args !== loop && !short.has(node.args)) {
      throw bad(text, `"${node.args}" can't be named inside of "exists" or "all"`, node.start);
    }
    used.add(node.args);
    return;
  }
  if (node.op === 'call') {
    const [name, args] = node.args;
    if (!calls.has(name)) throw bad(text, `there is no function "${name}" in filters`, node.start);
    deeper(args);
    return;
  }
  if (node.op === 'rcall') {
    const [name, on, args] = node.args;
    if (loops.has(name)) {
      if (loop !== undefined) throw bad(text, `"${name}" can't stand inside of another "exists" or "all"`, node.start);
      const [variable, condition] = args;
      if (variable?.op !== 'id' || !condition) throw bad(text, `"${name}" takes a name and a condition`, node.start);
      if (short.has(variable.args) || ['labels', 'capabilities', 'body'].includes(variable.args)) {
        throw bad(text, `"${variable.args}" is a fact: name what "${name}" goes through otherwise`, variable.start);
      }
      deeper(on);
      inspect(condition, text, variable.args, used);
      return;
    }
    if (!methods.has(name)) {
      const known = [...methods, ...loops].join(', ');
      throw bad(text, `there is no method "${name}" in filters; there are ${known}`, node.start);
    }
    deeper(on);
    deeper(args);
    return;
  }
  deeper(node.args);
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value;
}

function bad(text: string, why: string, at: number): RegistryError {
  const shown = JSON.stringify(text);
  return new RegistryError(
    'bad-filter',
    `Cannot filter by ${shown}: at character ${at + 1}: ${why}; write it ${example}`,
  );
}
