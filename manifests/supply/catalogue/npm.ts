// What the files of npm, pnpm and yarn say of packages: lock files of every version in use, and package.json of what is installed.
import { parse as parseYaml } from 'yaml';
import { type Component, integrityHashes } from './component.ts';
import { listOf, objectOf, textOf, type Values } from './values.ts';

/** package-lock.json and npm-shrinkwrap.json (versions 1 to 3), and node_modules/.package-lock.json. */
export function readPackageLock(text: string): Component[] {
  const lock = objectOf(JSON.parse(text));
  if (typeof lock['packages'] === 'object') return lockedPackages(objectOf(lock['packages']));
  return nestedPackages(objectOf(lock['dependencies']));
}

function lockedPackages(packages: Values): Component[] {
  return Object.entries(packages).flatMap(([path, value]) => {
    const one = objectOf(value);
    // The root, folders of a workspace and links to them are the project itself.
    if (!path.includes('node_modules/') || one['link'] === true) return [];
    const name = textOf(one['name']) ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return componentOf(name, one);
  });
}

/** Version 1: a tree. */
function nestedPackages(packages: Values): Component[] {
  return Object.entries(packages).flatMap(([name, value]) => {
    const one = objectOf(value);
    return [...componentOf(name, one), ...nestedPackages(objectOf(one['dependencies']))];
  });
}

function componentOf(name: string, one: Values): Component[] {
  const version = textOf(one['version']);
  if (version === undefined) return [];
  const isDev = one['dev'] === true || one['devOptional'] === true;
  const scope = isDev ? 'excluded' : one['optional'] === true ? 'optional' : undefined;
  // "npm:other@1.0.0": version 1 writes aliases so.
  const alias = /^npm:(.+)@([^@]+)$/.exec(version);
  return [
    npmComponent(alias?.[1] ?? name, alias?.[2] ?? version, {
      licenses: licensesOf(one),
      hashes: integrityHashes(textOf(one['integrity'])),
      ...(scope && { scope }),
    }),
  ];
}

/** The package.json of an installed package. */
export function readPackageJson(text: string): Component[] {
  const one = objectOf(JSON.parse(text));
  const name = textOf(one['name']);
  const version = textOf(one['version']);
  return name && version ? [npmComponent(name, version, { licenses: licensesOf(one), hashes: {} })] : [];
}

/** pnpm-lock.yaml, versions 5 to 9. */
export function readPnpmLock(text: string): Component[] {
  const lock = objectOf(parseYaml(text, { maxAliasCount: 0 }));
  return Object.entries(objectOf(lock['packages'])).flatMap(([key, value]) => {
    const one = objectOf(value);
    const plain = key.replace(/^\//, '').replace(/\(.*$/, '');
    const [, name, version] =
      /^((?:@[^/]+\/)?[^/@]+)@([^_]+)/.exec(plain) ?? /^((?:@[^/]+\/)?[^/]+)\/([^_/]+)/.exec(plain) ?? [];
    if (name === undefined || version === undefined || !/^\d/.test(version)) return [];
    const scope = one['dev'] === true ? 'excluded' : one['optional'] === true ? 'optional' : undefined;
    const hashes = integrityHashes(textOf(objectOf(one['resolution'])['integrity']));
    return [npmComponent(name, version, { licenses: [], hashes, ...(scope && { scope }) })];
  });
}

/** yarn.lock: version 1 has a format of its own, later ones are YAML. */
export function readYarnLock(text: string): Component[] {
  return /^__metadata:/m.test(text) ? readYarnBerry(text) : readYarnClassic(text);
}

function readYarnBerry(text: string): Component[] {
  const lock = objectOf(parseYaml(text, { maxAliasCount: 0 }));
  return Object.entries(lock).flatMap(([key, value]) => {
    const one = objectOf(value);
    const [, name, version] = /^((?:@[^/]+\/)?[^@]+)@npm:(.+)$/.exec(textOf(one['resolution']) ?? '') ?? [];
    if (key === '__metadata' || name === undefined || version === undefined) return [];
    // The checksum is of yarn's own archive, not of the package.
    return [npmComponent(name, version.replace(/::.*$/, ''), { licenses: [], hashes: {} })];
  });
}

function readYarnClassic(text: string): Component[] {
  return text.split(/\n(?=\S)/).flatMap((block) => {
    const [, key] = /^"?((?:@[^/\s"]+\/)?[^@\s"]+)@/.exec(block) ?? [];
    const [, version] = /^ {2}version "([^"]+)"/m.exec(block) ?? [];
    if (key === undefined || version === undefined) return [];
    const [, alias] = /^"?[^\n]*?@npm:((?:@[^/\s"]+\/)?[^@\s"]+)@/.exec(block) ?? [];
    const [, integrity] = /^ {2}integrity (\S+)/m.exec(block) ?? [];
    return [npmComponent(alias ?? key, version, { licenses: [], hashes: integrityHashes(integrity) })];
  });
}

function npmComponent(
  fullName: string,
  version: string,
  rest: Pick<Component, 'licenses' | 'hashes' | 'scope'>,
): Component {
  const slash = fullName.startsWith('@') ? fullName.indexOf('/') : -1;
  if (slash < 0) return { ecosystem: 'npm', name: fullName, version, ...rest };
  return { ecosystem: 'npm', namespace: fullName.slice(0, slash), name: fullName.slice(slash + 1), version, ...rest };
}

function licensesOf(one: Values): string[] {
  const { license, licenses } = one;
  const typed = textOf(license) ?? textOf(objectOf(license)['type']);
  if (typed !== undefined) return [typed];
  return listOf(licenses).flatMap((entry) => textOf(entry) ?? textOf(objectOf(entry)['type']) ?? []);
}
