// Which inputs of an image changed since it was built last: two flat lists of facts, compared.
import type { LockedPackage } from '#manifests/debian';
import { canonicalJson, digestOf } from './digest.ts';

/** Facts by a name that a person knows, such as `package nginx` or `environment/PORT`. */
export type InputFacts = Readonly<Record<string, string>>;

/** One input that differs: `was` is undefined for one that is new, `is` for one that is gone. */
export interface InputChange {
  readonly input: string;
  readonly was: string | undefined;
  readonly is: string | undefined;
}

/** A longer value is told by its digest. */
const maxValueCharacters = 120;
/** Deeper parts of a value stand together as one. */
const maxDepth = 4;

/**
 * The facts of a closure (`buildClosure`, with what stands behind its digests beside it): each leaf by its path, packages by
 * their names and versions. What is empty is no fact.
 */
export function factsOf(closure: object, packages: readonly LockedPackage[]): InputFacts {
  const facts: Record<string, string> = {};
  const add = (name: string, value: unknown, depth: number): void => {
    if (typeof value === 'object' && value !== null && (depth < maxDepth || Object.keys(value).length === 0))
      for (const [key, part] of Object.entries(value)) add(name === '' ? key : `${name}/${key}`, part, depth + 1);
    else if (value !== undefined) facts[name] = shortOf(value);
  };
  add('', closure, 0);
  for (const { name, version, sha256 } of packages) facts[`package ${name}`] = `${version} (${sha256.slice(0, 12)})`;
  return facts;
}

/** What differs, by the name of the input. Pure. */
export function compareFacts(before: InputFacts, after: InputFacts): InputChange[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .map((input) => ({ input, was: before[input], is: after[input] }))
    .filter(({ was, is }) => was !== is);
}

function shortOf(value: unknown): string {
  const text = typeof value === 'string' ? value : canonicalJson(value);
  return text.length > maxValueCharacters ? digestOf(text) : text;
}
