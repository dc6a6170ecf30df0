// What the lock files of Rust, Java, PHP, Ruby, Elixir and .NET say of packages.
import { XMLParser } from 'fast-xml-parser';
import { parse as parseToml } from 'smol-toml';
import type { Component } from './component.ts';
import { integrityHashes } from './component.ts';
import { listOf, objectOf, textOf } from './values.ts';

/** Cargo.lock, versions 1 to 4; crates without a source are the project's own. */
export function readCargoLock(text: string): Component[] {
  const lock = objectOf(parseToml(text));
  const metadata = objectOf(lock['metadata']);
  return listOf(lock['package']).flatMap((value) => {
    const { name, version, source, checksum } = objectOf(value);
    if (typeof name !== 'string' || typeof version !== 'string' || typeof source !== 'string') return [];
    const sum = textOf(checksum) ?? textOf(metadata[`checksum ${name} ${version} (${source})`]);
    const hashes = sum !== undefined && /^[0-9a-f]{64}$/.test(sum) ? { 'SHA-256': sum } : {};
    return [{ ecosystem: 'cargo', name, version, licenses: [], hashes } satisfies Component];
  });
}

/** pom.xml: dependencies with a version that is written out or is a property of the file. */
export function readPom(text: string): Component[] {
  if (/<!DOCTYPE|<!ENTITY/i.test(text)) return [];
  const parser = new XMLParser({
    parseTagValue: false,
    processEntities: false,
    isArray: (name) => name === 'dependency',
  });
  const project = objectOf(objectOf(parser.parse(text))['project']);
  const properties = objectOf(project['properties']);
  const written = (value: unknown): string | undefined =>
    textOf(value)?.replace(/\$\{([^}]+)\}/g, (whole, key: string) =>
      key === 'project.version' ? (textOf(project['version']) ?? whole) : (textOf(properties[key]) ?? whole),
    );
  return listOf(objectOf(project['dependencies'])['dependency']).flatMap((value) => {
    const one = objectOf(value);
    const [group, name, version] = [one['groupId'], one['artifactId'], one['version']].map(written);
    if (!group || !name || !version || version.includes('${')) return [];
    const isOff = ['test', 'provided'].includes(textOf(one['scope']) ?? '');
    return [maven(group, name, version, isOff ? 'excluded' : undefined)];
  });
}

/** gradle.lockfile: "group:name:version=configurations". */
export function readGradleLock(text: string): Component[] {
  return text.split('\n').flatMap((line) => {
    const [, group, name, version, uses = ''] = /^([^#:=\s]+):([^:=]+):([^:=]+)=(.*)$/.exec(line.trim()) ?? [];
    if (group === undefined || name === undefined || version === undefined) return [];
    const isTest = uses.split(',').every((use) => /^test/i.test(use));
    return [maven(group, name, version, isTest ? 'excluded' : undefined)];
  });
}

/** composer.lock. */
export function readComposerLock(text: string): Component[] {
  const lock = objectOf(JSON.parse(text));
  return (['packages', 'packages-dev'] as const).flatMap((group) =>
    listOf(lock[group]).flatMap((value) => {
      const one = objectOf(value);
      const [namespace, name] = (textOf(one['name']) ?? '').split('/');
      const version = textOf(one['version']);
      if (!namespace || !name || version === undefined) return [];
      const licenses = listOf(one['license']).flatMap((word) => textOf(word) ?? []);
      const sum = textOf(objectOf(one['dist'])['shasum']);
      const component: Component = {
        ecosystem: 'composer',
        namespace,
        name,
        version,
        // Several licences of a package are a choice.
        licenses: licenses.length > 1 ? [`(${licenses.join(' OR ')})`] : licenses,
        hashes: sum !== undefined && /^[0-9a-f]{40}$/.test(sum) ? { 'SHA-1': sum } : {},
        ...(group === 'packages-dev' && { scope: 'excluded' as const }),
      };
      return [component];
    }),
  );
}

/** Gemfile.lock: the specs of its GEM sections. */
export function readGemfileLock(text: string): Component[] {
  const components: Component[] = [];
  let section = '';
  for (const line of text.split('\n')) {
    if (/^\S/.test(line)) section = line.trim();
    const [, name, version = ''] = section === 'GEM' ? (/^ {4}(\S+) \(([^)]+)\)$/.exec(line) ?? []) : [];
    if (name === undefined) continue;
    // "1.2.3-x86_64-linux": the platform isn't part of the version.
    const [, number = version, platform = ''] = /^([^-]+)-(.+)$/.exec(version) ?? [];
    components.push({
      ecosystem: 'gem',
      name,
      version: number,
      ...(platform !== '' && { qualifiers: { platform } }),
      licenses: [],
      hashes: {},
    });
  }
  return components;
}

/** mix.lock: `"name": {:hex, :name, "version", "inner sum", …, "outer sum"}`. */
export function readMixLock(text: string): Component[] {
  return [...text.matchAll(/\{:hex,\s*:"?([\w@.-]+)"?,\s*"([^"]+)",.*?(?:"([0-9a-f]{64})")?\}[,\s]*$/gm)].map(
    ([, name = '', version = '', sum]): Component => ({
      ecosystem: 'hex',
      name,
      version,
      licenses: [],
      hashes: sum === undefined ? {} : { 'SHA-256': sum },
    }),
  );
}

/** packages.lock.json of NuGet. */
export function readNugetLock(text: string): Component[] {
  return Object.values(objectOf(objectOf(JSON.parse(text))['dependencies'])).flatMap((framework) =>
    Object.entries(objectOf(framework)).flatMap(([name, value]) => {
      const { resolved, type, contentHash } = objectOf(value);
      if (typeof resolved !== 'string' || type === 'Project') return [];
      const sum = textOf(contentHash);
      const hashes = integrityHashes(sum && `sha512-${sum}`);
      return [{ ecosystem: 'nuget', name, version: resolved, licenses: [], hashes } satisfies Component];
    }),
  );
}

function maven(namespace: string, name: string, version: string, scope: Component['scope']): Component {
  return { ecosystem: 'maven', namespace, name, version, licenses: [], hashes: {}, ...(scope && { scope }) };
}
