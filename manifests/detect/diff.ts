// What differs between two texts, as a unified diff that patch(1) reads.

/** Longer texts are shown as replaced whole: the table below has a cell for each pair of lines. */
const maxLines = 2000;
const context = 3;

interface Change {
  readonly sign: ' ' | '-' | '+';
  readonly line: string;
}

/** A unified diff with three lines of context; empty where the texts are the same. */
export function unifiedDiff(
  before: string,
  after: string,
  names: { readonly before: string; readonly after: string },
): string {
  if (before === after) return '';
  const changes = changesOf(linesOf(before), linesOf(after));
  const hunks: string[] = [];
  for (let at = 0; at < changes.length; ) {
    const start = changes.findIndex((change, index) => index >= at && change.sign !== ' ');
    if (start < 0) break;
    let end = start;
    for (let index = start; index < changes.length && index <= end + 2 * context; index += 1) {
      if (changes[index]?.sign !== ' ') end = index;
    }
    const from = Math.max(at, start - context);
    const to = Math.min(changes.length, end + context + 1);
    const hunk = changes.slice(from, to);
    const head = changes.slice(0, from);
    const count = (all: readonly Change[], without: '-' | '+'): number =>
      all.filter(({ sign }) => sign !== without).length;
    hunks.push(
      `@@ -${count(head, '+') + 1},${count(hunk, '+')} +${count(head, '-') + 1},${count(hunk, '-')} @@`,
      ...hunk.map(({ sign, line }) => sign + line),
    );
    at = to;
  }
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks, ''].join('\n');
}

/** A last line without an end is another line than one with it, and is written as patch(1) wants it. */
function linesOf(text: string): readonly string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  const last = lines.pop();
  return last ? [...lines, `${last}\n\\ No newline at end of file`] : lines;
}

/** The longest common subsequence keeps its lines; what else is there goes or comes. */
function changesOf(before: readonly string[], after: readonly string[]): readonly Change[] {
  if (before.length > maxLines || after.length > maxLines) {
    return [
      ...before.map((line) => ({ sign: '-', line }) as const),
      ...after.map((line) => ({ sign: '+', line }) as const),
    ];
  }
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        before[i] === after[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
    }
  }
  const changes: Change[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      changes.push({ sign: ' ', line: before[i] ?? '' });
      i += 1;
      j += 1;
    } else if (
      j >= after.length ||
      (i < before.length && (lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0))
    ) {
      changes.push({ sign: '-', line: before[i] ?? '' });
      i += 1;
    } else {
      changes.push({ sign: '+', line: after[j] ?? '' });
      j += 1;
    }
  }
  return changes;
}
