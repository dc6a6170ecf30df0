// What a manifest must keep that no shape can say: names that meet, ports that agree, and no circle of dependencies.

import type { Manifest, ManifestContainer } from '#manifests/schema';
import { type Problem, pointerOf } from './error.ts';
import { globFault } from './glob.ts';
import { didYouMean } from './near.ts';

type Finding = Omit<Problem, 'line'>;

/** Every fault of a well-shaped manifest; empty where it can be built. */
export function semanticProblems(manifest: Manifest): Finding[] {
  return [
    ...Object.entries(manifest.applications).flatMap(([name, { source }]) =>
      [...source.include.entries()]
        .flatMap(([index, glob]) => globFinding(['applications', name, 'source', 'include', index], glob))
        .concat(
          [...source.exclude.entries()].flatMap(([index, glob]) =>
            globFinding(['applications', name, 'source', 'exclude', index], glob),
          ),
        ),
    ),
    ...Object.entries(manifest.containers).flatMap(([name, container]) => ofContainer(name, container, manifest)),
    ...twice(
      Object.entries(manifest.containers).map(([name, { ci_name }]) => ({
        path: ci_name === undefined ? ['containers', name] : ['containers', name, 'ci_name'],
        value: ci_name ?? `${name}-ci`,
        what: 'the CI name',
      })),
    ),
    ...circle(manifest),
  ];
}

/** Containers so that each comes after those it depends on; among equals by name. Holds for every parsed manifest. */
export function containersInOrder(manifest: Manifest): string[] {
  const done = new Set<string>();
  const visit = (name: string): void => {
    if (done.has(name)) return;
    for (const other of Object.keys(manifest.containers[name]?.depends_on ?? {}).sort()) visit(other);
    done.add(name);
  };
  for (const name of Object.keys(manifest.containers).sort()) visit(name);
  return [...done];
}

function ofContainer(name: string, container: ManifestContainer, manifest: Manifest): Finding[] {
  const at = (...path: PropertyKey[]): PropertyKey[] => ['containers', name, ...path];
  const findings: Finding[] = [];
  const unknown = (kind: string, key: PropertyKey[], word: string, known: readonly string[]): void => {
    findings.push({
      pointer: pointerOf(key),
      message: `there is no ${kind} "${word}"`,
      mend: didYouMean(word, known) ?? (known.length > 0 ? `there are: ${known.join(', ')}` : undefined),
    });
  };
  for (const other of Object.keys(container.depends_on)) {
    if (!Object.hasOwn(manifest.containers, other)) {
      const others = Object.keys(manifest.containers).filter((key) => key !== name);
      unknown('container', at('depends_on', other), other, others);
    }
  }
  for (const used of Object.keys(container.applications)) {
    if (!Object.hasOwn(manifest.applications, used)) {
      unknown('application', at('applications', used), used, Object.keys(manifest.applications));
    }
  }
  for (const [index, { port }] of container.publish.entries()) {
    if (!container.ports.includes(port)) {
      findings.push({
        pointer: pointerOf(at('publish', index, 'port')),
        message: `port ${port} is published, and "ports" does not list it`,
        mend: `add ${port} to "ports"`,
      });
    }
  }
  const { users, groups } = container.accounts;
  const root = [{ path: [] as PropertyKey[], value: 'root' }];
  const rootId = [{ path: [] as PropertyKey[], value: '0' }];
  const list = (kind: 'users' | 'groups', key: 'name' | 'uid' | 'gid', values: readonly (string | number)[]) =>
    values.map((value, index) => ({ path: at('accounts', kind, index, key), value: String(value) }));
  findings.push(
    ...twice(
      say('the user name', [
        ...root,
        ...list(
          'users',
          'name',
          users.map((user) => user.name),
        ),
      ]),
    ),
    ...twice(
      say('the uid', [
        ...rootId,
        ...list(
          'users',
          'uid',
          users.map((user) => user.uid),
        ),
      ]),
    ),
    ...twice(
      say('the group name', [
        ...root,
        ...list(
          'groups',
          'name',
          groups.map((group) => group.name),
        ),
      ]),
    ),
    ...twice(
      say('the gid', [
        ...rootId,
        ...list(
          'groups',
          'gid',
          groups.map((group) => group.gid),
        ),
      ]),
    ),
    ...twice(say('the port', listOf(at('ports'), container.ports))),
    ...twice(say('the package', listOf(at('debian'), container.debian))),
    ...twice(
      say(
        'the host port',
        container.publish.flatMap(({ host_port }, index) =>
          host_port === 0 ? [] : [{ path: at('publish', index, 'host_port'), value: String(host_port) }],
        ),
      ),
    ),
    ...twice(say('the path', pathsOf(container, at))),
  );
  return findings;
}

function pathsOf(container: ManifestContainer, at: (...path: PropertyKey[]) => PropertyKey[]): Place[] {
  return [
    ...Object.entries(container.applications).map(([name, { destination }]) => ({
      path: at('applications', name, 'destination'),
      value: destination,
    })),
    ...container.files.map(({ destination }, index) => ({
      path: at('files', index, 'destination'),
      value: destination,
    })),
    ...container.directories.map(({ path }, index) => ({ path: at('directories', index, 'path'), value: path })),
    ...container.links.map(({ path }, index) => ({ path: at('links', index, 'path'), value: path })),
    { path: at('accounts'), value: '/etc/passwd' },
    { path: at('accounts'), value: '/etc/group' },
  ].reverse();
}

interface Place {
  readonly path: PropertyKey[];
  readonly value: string;
}

function say(what: string, places: readonly Place[]): (Place & { what: string })[] {
  return places.map((place) => ({ ...place, what }));
}

function listOf(path: PropertyKey[], values: readonly (string | number)[]): Place[] {
  return values.map((value, index) => ({ path: [...path, index], value: String(value) }));
}

function twice(places: readonly (Place & { readonly what: string })[]): Finding[] {
  const seen = new Set<string>();
  return places.flatMap(({ path, value, what }) => {
    if (!seen.has(value)) {
      seen.add(value);
      return [];
    }
    return [{ pointer: pointerOf(path), message: `${what} "${value}" is taken already`, mend: 'use it once' }];
  });
}

function globFinding(path: PropertyKey[], glob: string): Finding[] {
  const fault = globFault(glob);
  return fault === undefined ? [] : [{ pointer: pointerOf(path), message: fault, mend: undefined }];
}

/** The first circle of `depends_on`, named by its path (depth-first search). */
function circle(manifest: Manifest): Finding[] {
  const done = new Set<string>();
  const walk = (name: string, trail: readonly string[]): Finding | undefined => {
    const start = trail.indexOf(name);
    if (start >= 0) {
      const loop = [...trail.slice(start), name];
      return {
        pointer: pointerOf(['containers', loop.at(-2) ?? name, 'depends_on', name]),
        message: `the dependencies run in a circle: ${loop.join(' -> ')}`,
        mend: 'take one of them out',
      };
    }
    if (done.has(name)) return undefined;
    for (const other of Object.keys(manifest.containers[name]?.depends_on ?? {})) {
      const found = walk(other, [...trail, name]);
      if (found) return found;
    }
    done.add(name);
    return undefined;
  };
  for (const name of Object.keys(manifest.containers)) {
    const found = walk(name, []);
    if (found) return [found];
  }
  return [];
}
