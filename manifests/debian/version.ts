// Which of two versions of a Debian package is later: deb-version(7).

/** dpkg's order: epoch, upstream version, revision; "~" comes before everything, also before the end. */
export function compareDebian(first: string, second: string): number {
  const [one, two] = [debianParts(first), debianParts(second)];
  return one.epoch - two.epoch || compareParts(one.upstream, two.upstream) || compareParts(one.revision, two.revision);
}

function debianParts(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)) || 0,
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  };
}

/** In turns, what isn't digits by its order, then digits by their number. */
function compareParts(first: string, second: string): number {
  const weigh = (character: string | undefined): number => {
    if (character === undefined || /\d/.test(character)) return 0;
    if (character === '~') return -1;
    return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256;
  };
  let [left, right] = [0, 0];
  while (left < first.length || right < second.length) {
    const isText = (text: string, at: number): boolean => at < text.length && !/\d/.test(text[at] ?? '');
    while (isText(first, left) || isText(second, right)) {
      const difference = weigh(first[left]) - weigh(second[right]);
      if (difference !== 0) return difference;
      left += 1;
      right += 1;
    }
    const [one = ''] = /^\d*/.exec(first.slice(left)) ?? [];
    const [two = ''] = /^\d*/.exec(second.slice(right)) ?? [];
    const difference = compareDigits(one, two);
    if (difference !== 0) return difference;
    left += one.length;
    right += two.length;
  }
  return 0;
}

/** Numbers of any length. */
function compareDigits(first: string, second: string): number {
  const [one, two] = [first.replace(/^0+/, ''), second.replace(/^0+/, '')];
  if (one.length !== two.length) return one.length - two.length;
  return one < two ? -1 : one > two ? 1 : 0;
}
