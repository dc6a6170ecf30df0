// The findings that checks of a manifest share: a word that is not known, a value that stands twice, a pattern that is none.
import { type Problem, pointerOf } from '../error.ts';
import { globFault } from '../glob.ts';
import { didYouMean } from '../near.ts';

/** A problem before its line is known. */
export type Finding = Omit<Problem, 'line'>;

export interface Place {
  readonly path: PropertyKey[];
  readonly value: string;
}

/** Places that one kind of thing is looked for at. */
export function say(what: string, places: readonly Place[]): (Place & { what: string })[] {
  return places.map((place) => ({ ...place, what }));
}

/** The items of a list as places. */
export function listOf(path: PropertyKey[], values: readonly (string | number)[]): Place[] {
  return values.map((value, index) => ({ path: [...path, index], value: String(value) }));
}

/** All but the first place of each value. */
export function twice(places: readonly (Place & { readonly what: string })[]): Finding[] {
  const seen = new Set<string>();
  return places.flatMap(({ path, value, what }) => {
    if (!seen.has(value)) {
      seen.add(value);
      return [];
    }
    return [{ pointer: pointerOf(path), message: `${what} "${value}" is taken already`, mend: 'use it once' }];
  });
}

/** Where a pattern is not one. */
export function globFindings(path: readonly PropertyKey[], globs: readonly string[]): Finding[] {
  return globs.flatMap((glob, index) => {
    const fault = globFault(glob);
    return fault === undefined ? [] : [{ pointer: pointerOf([...path, index]), message: fault, mend: undefined }];
  });
}

/** That a word names nothing that is there. */
export function unknown(path: readonly PropertyKey[], kind: string, found: string, known: readonly string[]): Finding {
  return {
    pointer: pointerOf(path),
    message: `there is no ${kind} "${found}"`,
    mend: didYouMean(found, known) ?? (known.length > 0 ? `there are: ${known.join(', ')}` : undefined),
  };
}
