// Which paths a pattern takes: "*", "?" and "**", dot files counted; ours, so that no Node version changes what a build reads.

/** Why a pattern can't be used, undefined where it can. */
export function globFault(glob: string): string | undefined {
  if (glob === '' || glob.startsWith('/') || glob.endsWith('/')) {
    return `${JSON.stringify(glob)} does not begin and end with a name`;
  }
  if (/[[\]{}!\\\0]/.test(glob)) return `${JSON.stringify(glob)} uses more than "*", "?" and "**"`;
  return undefined;
}

/** Whether a path (parts joined by "/") is taken: "**" stands for any folders, "*" and "?" for what holds no "/". */
export function makeMatcher(globs: readonly string[]): (path: string) => boolean {
  // What is usual is answered without looking.
  if (globs.length === 0) return () => false;
  if (globs.includes('**')) return () => true;
  const patterns = globs.map((glob) => {
    const parts = glob.split('/').map((part) => (part === '**' ? anything : [...part]));
    // At the end "**" stands for what is in a folder, so for one name at least.
    return parts.at(-1) === anything ? [...parts, ['*']] : parts;
  });
  return (path) => {
    const parts = path.split('/').map((part) => [...part]);
    return patterns.some((pattern) => covers(pattern, parts, anything, takesName));
  };
}

/** The part "**". */
const anything: readonly string[] = ['**'];

function takesName(pattern: readonly string[], name: readonly string[]): boolean {
  return covers(pattern, name, '*', (wanted, character) => wanted === '?' || wanted === character);
}

/** Greedy, going back to the last `star` only: at most pattern × items steps, where a regular expression may take their power. */
function covers<Pattern, Item>(
  pattern: readonly Pattern[],
  items: readonly Item[],
  star: Pattern,
  takes: (wanted: Pattern, item: Item) => boolean,
): boolean {
  let at = 0;
  let back: { readonly pattern: number; item: number } | undefined;
  for (let item = 0; item < items.length; ) {
    const wanted = pattern[at];
    if (wanted === star) {
      at += 1;
      back = { pattern: at, item };
    } else if (at < pattern.length && takes(wanted as Pattern, items[item] as Item)) {
      at += 1;
      item += 1;
    } else if (back) {
      back.item += 1;
      at = back.pattern;
      item = back.item;
    } else return false;
  }
  while (pattern[at] === star && at < pattern.length) at += 1;
  return at === pattern.length;
}
