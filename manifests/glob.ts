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
  const patterns = globs.map((glob) => new RegExp(`^${glob.split('/').map(partOf).join('')}$`, 's'));
  return (path) => patterns.some((pattern) => pattern.test(path));
}

function partOf(part: string, index: number, parts: readonly string[]): string {
  const last = index === parts.length - 1;
  if (part === '**') return last ? '.+' : '(?:[^/]+/)*';
  const text = part
    .replace(/[.+^$()|]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replaceAll('?', '[^/]');
  return last ? text : `${text}/`;
}
