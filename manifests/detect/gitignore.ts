// What a .gitignore leaves out, in the part of its language that projects use: no character classes.
import { makeMatcher } from '../glob.ts';

/** Lines beyond are ignored: the longest that projects keep have a few hundred. */
const maxRules = 500;

interface Rule {
  readonly takes: (path: string) => boolean;
  readonly isNegated: boolean;
  readonly isFolderOnly: boolean;
}

/** Says of a path below the file's folder whether it is ignored, undefined where no rule speaks of it. */
export type Ignore = (path: string, isFolder: boolean) => boolean | undefined;

/** The last rule that takes a path decides, as in git. */
export function parseGitignore(text: string): Ignore {
  const rules = linesOf(text).flatMap((line): Rule[] => {
    const isNegated = line.startsWith('!');
    const glob = globOf(isNegated ? line.slice(1) : line);
    return glob === undefined ? [] : [{ takes: makeMatcher([glob]), isNegated, isFolderOnly: line.endsWith('/') }];
  });
  return (path, isFolder) => {
    const rule = rules.findLast((each) => (isFolder || !each.isFolderOnly) && each.takes(path));
    return rule && !rule.isNegated;
  };
}

/** The same as patterns of a manifest's source; empty where the file takes something back with "!". */
export function globsOfGitignore(text: string): readonly string[] {
  const lines = linesOf(text);
  if (lines.some((line) => line.startsWith('!'))) return [];
  return [...new Set(lines.flatMap((line) => globOf(line) ?? []))];
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .slice(0, maxRules)
    .map((line) => line.replace(/\s+$/, ''))
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function globOf(line: string): string | undefined {
  const body = line.replace(/\/$/, '');
  const glob = body.includes('/') ? body.replace(/^\//, '') : `**/${body}`;
  return glob === '' || glob.startsWith('/') || glob.endsWith('/') || /[[\]{}!\\\0]|^\*\*\/$/.test(glob)
    ? undefined
    : glob;
}
