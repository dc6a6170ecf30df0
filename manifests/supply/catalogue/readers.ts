// Which file of an image or a source says something of its components, and who reads it.
import type { Component } from './component.ts';
import { readDpkgStatus } from './debian.ts';
import { readGoMod, readGoSum } from './go.ts';
import { readPackageJson, readPackageLock, readPnpmLock, readYarnLock } from './npm.ts';
import {
  readCargoLock,
  readComposerLock,
  readGemfileLock,
  readGradleLock,
  readMixLock,
  readNugetLock,
  readPom,
} from './others.ts';
import { readMetadata, readPipfileLock, readPoetryLock, readRequirements, readUvLock } from './python.ts';

export interface Reader {
  /** What is installed is there; what is locked was to be. */
  readonly kind: 'installed' | 'locked';
  /** Throws where the file isn't what its name says. */
  readonly read: (text: string) => Component[];
}

const byName: Readonly<Record<string, (text: string) => Component[]>> = {
  'package-lock.json': readPackageLock,
  'npm-shrinkwrap.json': readPackageLock,
  'pnpm-lock.yaml': readPnpmLock,
  'yarn.lock': readYarnLock,
  'poetry.lock': readPoetryLock,
  'uv.lock': readUvLock,
  'Pipfile.lock': readPipfileLock,
  'Cargo.lock': readCargoLock,
  'go.sum': readGoSum,
  'go.mod': readGoMod,
  'pom.xml': readPom,
  'gradle.lockfile': readGradleLock,
  'composer.lock': readComposerLock,
  'Gemfile.lock': readGemfileLock,
  'mix.lock': readMixLock,
  'packages.lock.json': readNugetLock,
};

/** Who reads the file at a path (without a slash in front); undefined where it says nothing of components. */
export function readerOf(path: string): Reader | undefined {
  if (path === 'var/lib/dpkg/status' || (/^var\/lib\/dpkg\/status\.d\/[^/]+$/.test(path) && !path.endsWith('.md5sums')))
    return { kind: 'installed', read: readDpkgStatus };
  if (/(^|\/)node_modules\/(@[^/]+\/)?[^/@][^/]*\/package\.json$/.test(path))
    return { kind: 'installed', read: readPackageJson };
  if (path.endsWith('node_modules/.package-lock.json')) return { kind: 'locked', read: readPackageLock };
  if (/\.(dist-info\/METADATA|egg-info\/PKG-INFO)$/.test(path)) return { kind: 'installed', read: readMetadata };
  // A lock file within an installed package is of its author's machine.
  if (/(^|\/)(node_modules|site-packages|dist-packages|vendor)\//.test(path)) return undefined;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (/^requirements[\w.-]*\.txt$/.test(name)) return { kind: 'locked', read: readRequirements };
  const read = Object.hasOwn(byName, name) ? byName[name] : undefined;
  return read && { kind: 'locked', read };
}
