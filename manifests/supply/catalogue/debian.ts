// What dpkg says of the packages in an image (dpkg(1), /var/lib/dpkg/status), and what their copyright files say of licences.
import type { LockedPackage } from '#manifests/debian';
import type { Component } from './component.ts';

/** Installed packages, as `dpkg-query --show` lists them; distroless images have a file for each below status.d. */
export function readDpkgStatus(text: string): Component[] {
  return stanzasOf(text).flatMap((fields) => {
    const name = fields.get('package');
    const version = fields.get('version');
    const status = fields.get('status');
    const isThere =
      status === undefined || / (installed|unpacked|half-configured|half-installed|triggers-\w+)$/.test(status);
    if (!name || !version || !isThere) return [];
    const [, from = name, at = version] = /^(\S+)(?:\s+\((\S+)\))?/.exec(fields.get('source') ?? '') ?? [];
    const source = { name: from, version: withoutRebuild(at) };
    return [debianComponent(name, version, fields.get('architecture') ?? '', {}, source)];
  });
}

/** Packages that a manifest's lock pins. */
export function lockedComponents(packages: readonly LockedPackage[]): Component[] {
  return packages.map(({ name, version, architecture, sha256, pool_path }) => {
    // The folder in an archive's pool is named after the source package.
    const source = { name: pool_path.split('/').at(-2) ?? name, version: withoutRebuild(version) };
    return debianComponent(name, version, architecture, { 'SHA-256': sha256 }, source);
  });
}

/**
 * Packages of a step's toolchain whose content is source that compilers put into programs, as Debian names them: libraries of Go and
 * Rust. Which of them a program really has isn't told, so they are optional; a vulnerability in one counts all the same.
 */
export function linkedComponents(toolchains: readonly LockedPackage[]): Component[] {
  return lockedComponents(toolchains.filter(({ name }) => sourceLibrary.test(name))).map((one) => ({
    ...one,
    scope: 'optional',
  }));
}

const sourceLibrary = /^(?:golang-.+-(?:dev|src)|librust-.+-dev|libstd-rust-dev)$/;

function debianComponent(
  name: string,
  version: string,
  arch: string,
  hashes: Component['hashes'],
  source: { readonly name: string; readonly version: string },
): Component {
  return { ecosystem: 'deb', namespace: 'debian', name, version, qualifiers: { arch }, source, licenses: [], hashes };
}

/** Built again for another architecture or library, the source is the same (Debian Developer's Reference, 5.10.2.1). */
function withoutRebuild(version: string): string {
  return version.replace(/\+b\d+$/, '');
}

/**
 * The licences of a machine-readable debian/copyright (DEP-5), each as an SPDX expression where the short names are known;
 * none of a file in free form.
 */
export function readCopyright(text: string): string[] {
  if (!/^Format(-Specification)?:.*copyright-format|^Format(-Specification)?:.*dep5/im.test(text.slice(0, 2000)))
    return [];
  const found = new Set<string>();
  for (const fields of stanzasOf(text)) {
    const line = fields.get('license')?.split('\n')[0]?.trim();
    if (line && fields.has('files')) found.add(spdxOf(line));
  }
  return [...found].sort();
}

/** Debian's short names (DEP-5, "License specification") where SPDX has others. */
const shortNames: Readonly<Record<string, string>> = {
  expat: 'MIT',
  'artistic-1': 'Artistic-1.0-Perl',
  artistic: 'Artistic-1.0-Perl',
  'bsd-2-clause': 'BSD-2-Clause',
  'bsd-3-clause': 'BSD-3-Clause',
  'bsd-4-clause': 'BSD-4-Clause',
  apache: 'Apache-2.0',
  'apache-2': 'Apache-2.0',
  zlib: 'Zlib',
  isc: 'ISC',
  mit: 'MIT',
  'cc0-1.0': 'CC0-1.0',
  'boost-1.0': 'BSL-1.0',
  'psf-2': 'PSF-2.0',
  python: 'Python-2.0',
  openldap: 'OLDAP-2.8',
};

function spdxOf(line: string): string {
  const words = line
    .replace(/,/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '');
  if (/\bwith\b/i.test(line)) return line;
  return words.map((word) => (/^(and|or)$/i.test(word) ? word.toUpperCase() : spdxName(word))).join(' ');
}

function spdxName(word: string): string {
  const [, family, version, later] = /^(A?GPL|LGPL|GFDL)-?v?(\d(?:\.\d)?)(?:\.0)?(\+?)$/i.exec(word) ?? [];
  if (family === undefined || version === undefined) return shortNames[word.toLowerCase()] ?? word;
  const full = version.includes('.') ? version : `${version}.0`;
  return `${family.toUpperCase()}-${full}-${later === '+' ? 'or-later' : 'only'}`;
}

/** Stanzas of deb822: fields by lower-case name; a continued field has its lines joined. */
function stanzasOf(text: string): Map<string, string>[] {
  const stanzas: Map<string, string>[] = [];
  let fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '') {
      if (fields.size > 0) stanzas.push(fields);
      fields = new Map();
      last = undefined;
    } else if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last) ?? ''}\n${line.trim()}`);
    } else if (line.includes(':')) {
      last = line.slice(0, line.indexOf(':')).toLowerCase();
      fields.set(last, line.slice(line.indexOf(':') + 1).trim());
    }
  }
  return fields.size > 0 ? [...stanzas, fields] : stanzas;
}
