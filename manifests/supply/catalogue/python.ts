// What the files of pip, Poetry, uv and Pipenv say of packages.
import { parse as parseToml } from 'smol-toml';
import { type Component, plainHashes } from './component.ts';
import { listOf, objectOf, textOf } from './values.ts';

/** METADATA of an installed distribution (core metadata 2.x, PEP 566 and 639). */
export function readMetadata(text: string): Component[] {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const first = (key: string): string | undefined => new RegExp(`^${key}:[ \\t]*(.+)$`, 'im').exec(head)?.[1]?.trim();
  const name = first('Name');
  const version = first('Version');
  if (!name || !version) return [];
  const classified = [...head.matchAll(/^Classifier:[ \t]*License :: (?:.* :: )?(.+)$/gim)].map(([, word = '']) =>
    word.trim(),
  );
  const declared = first('License-Expression') ?? first('License');
  const isWord = declared !== undefined && declared.length <= 100 && declared !== 'UNKNOWN';
  return [{ ecosystem: 'pypi', name, version, licenses: isWord ? [declared] : classified, hashes: {} }];
}

/** requirements.txt: what is pinned by "==", and its hash where there is exactly one. */
export function readRequirements(text: string): Component[] {
  return text
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .flatMap((line) => {
      const [, name, version] = /^\s*([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;,*]+)/.exec(line) ?? [];
      if (name === undefined || version === undefined) return [];
      const hashes = [...line.matchAll(/--hash=(sha256:[0-9a-f]{64})/g)].map(([, hash]) => hash);
      return [{ ecosystem: 'pypi', name, version, licenses: [], hashes: onlyHash(hashes) } satisfies Component];
    });
}

/** poetry.lock. */
export function readPoetryLock(text: string): Component[] {
  return listOf(objectOf(parseToml(text))['package']).flatMap((value) => {
    const one = objectOf(value);
    const hashes = listOf(one['files']).map((file) => textOf(objectOf(file)['hash']));
    const isDev = one['category'] === 'dev' || (Array.isArray(one['groups']) && !one['groups'].includes('main'));
    return pinned(
      one['name'],
      one['version'],
      hashes,
      isDev ? 'excluded' : one['optional'] === true ? 'optional' : undefined,
    );
  });
}

/** uv.lock; the project itself and what lies in folders isn't counted. */
export function readUvLock(text: string): Component[] {
  return listOf(objectOf(parseToml(text))['package']).flatMap((value) => {
    const one = objectOf(value);
    const source = objectOf(one['source']);
    if ('virtual' in source || 'editable' in source || 'directory' in source) return [];
    const files = [one['sdist'], ...listOf(one['wheels'])];
    return pinned(
      one['name'],
      one['version'],
      files.map((file) => textOf(objectOf(file)['hash'])),
      undefined,
    );
  });
}

/** Pipfile.lock. */
export function readPipfileLock(text: string): Component[] {
  const lock = objectOf(JSON.parse(text));
  return (['default', 'develop'] as const).flatMap((group) =>
    Object.entries(objectOf(lock[group])).flatMap(([name, value]) => {
      const one = objectOf(value);
      const version = textOf(one['version'])?.replace(/^==/, '');
      const hashes = listOf(one['hashes']).map(textOf);
      return pinned(name, version, hashes, group === 'develop' ? 'excluded' : undefined);
    }),
  );
}

function pinned(
  name: unknown,
  version: unknown,
  hashes: readonly (string | undefined)[],
  scope: Component['scope'],
): Component[] {
  if (typeof name !== 'string' || typeof version !== 'string') return [];
  return [{ ecosystem: 'pypi', name, version, licenses: [], hashes: onlyHash(hashes), ...(scope && { scope }) }];
}

/** One of several artifacts is installed, and a lock doesn't say which: only a single hash is told. */
function onlyHash(hashes: readonly (string | undefined)[]): Component['hashes'] {
  const known = hashes.filter((hash) => hash !== undefined);
  return known.length === 1 ? plainHashes(known[0]) : {};
}
