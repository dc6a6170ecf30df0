// Which of two versions is later, as each ecosystem counts: dpkg, PEP 440, and semantic versions.
import semver from 'semver';
import { compareDebian } from '#manifests/debian';

/** Negative where the first is earlier, positive where it is later; undefined where the ecosystem can't compare them. */
export type CompareVersions = (first: string, second: string) => number | undefined;

export const compareByEcosystem: Readonly<Record<string, CompareVersions>> = {
  deb: compareDebian,
  pypi: comparePython,
  npm: compareSemantic,
  cargo: compareSemantic,
  golang: compareSemantic,
};

function compareSemantic(first: string, second: string): number | undefined {
  const [one, two] = [first, second].map((text) =>
    semver.parse(text === '0' ? '0.0.0-0' : text.replace(/^v|\+incompatible$/g, '')),
  );
  return one && two ? semver.compare(one, two) : undefined;
}

const python =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)[-_.]?(?:(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?[-_.]?(?:(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/i;

/** PEP 440: epoch, release, then dev before a, b and rc before none before post; a local version comes after its public one. */
export function comparePython(first: string, second: string): number | undefined {
  const [one, two] = [pythonKey(first), pythonKey(second)];
  if (one === undefined || two === undefined) return undefined;
  for (let at = 0; at < Math.max(one.release.length, two.release.length); at += 1) {
    const difference = one.epoch - two.epoch || (one.release[at] ?? 0) - (two.release[at] ?? 0);
    if (difference !== 0) return difference;
  }
  for (const [at, value] of one.rank.entries()) {
    const other = two.rank[at] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return one.local < two.local ? -1 : one.local > two.local ? 1 : 0;
}

function pythonKey(text: string): { epoch: number; release: number[]; rank: number[]; local: string } | undefined {
  const match = python.exec(text.trim());
  if (!match) return undefined;
  const [, epoch, release = '', pre, preNumber, dash, post, postNumber, dev, devNumber, local = ''] = match;
  const isPost = dash !== undefined || post !== undefined;
  const letter = { a: 1, alpha: 1, b: 2, beta: 2 }[pre?.toLowerCase() ?? ''] ?? 3;
  // A development version of a release comes before its first alpha.
  const preRank = pre !== undefined ? letter : dev !== undefined && !isPost ? 0 : 4;
  const rank = [
    preRank,
    Number(preNumber || 0),
    isPost ? Number(dash ?? (postNumber || 0)) : -1,
    dev === undefined ? Number.POSITIVE_INFINITY : Number(devNumber || 0),
  ];
  return { epoch: Number(epoch ?? 0), release: release.split('.').map(Number), rank, local };
}
