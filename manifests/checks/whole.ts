// What a manifest must keep that no shape can say of its parts: names that meet, ports that agree, nothing twice.

import type { Manifest, ManifestContainer } from '#manifests/schema';
import { pointerOf } from '../error.ts';
import { orderProblems } from '../relations.ts';
import { applicationProblems, contentProblems } from './applications.ts';
import { defaultsProblems } from './defaults.ts';
import { type Finding, listOf, type Place, say, twice, unknown } from './findings.ts';

/** Every fault of a well-shaped manifest; empty where it can be built. */
export function semanticProblems(manifest: Manifest): Finding[] {
  return [
    ...Object.entries(manifest.applications).flatMap(([name, one]) => applicationProblems(name, one)),
    ...Object.entries(manifest.containers).flatMap(([name, container]) => ofContainer(name, container, manifest)),
    ...twice(
      Object.entries(manifest.containers).map(([name, { ci_name }]) => ({
        path: ci_name === undefined ? ['containers', name] : ['containers', name, 'ci_name'],
        value: ci_name ?? `${name}-ci`,
        what: 'the CI name',
      })),
    ),
    ...defaultsProblems(manifest),
    ...orderProblems(manifest),
  ];
}

function ofContainer(name: string, container: ManifestContainer, manifest: Manifest): Finding[] {
  const at = (...path: PropertyKey[]): PropertyKey[] => ['containers', name, ...path];
  const findings: Finding[] = [];
  for (const [other, { condition }] of Object.entries(container.depends_on)) {
    const needed = Object.hasOwn(manifest.containers, other) ? manifest.containers[other] : undefined;
    if (needed === undefined) {
      const others = Object.keys(manifest.containers).filter((key) => key !== name);
      findings.push(unknown(at('depends_on', other), 'container', other, others));
    } else if (condition === 'completed' && !['no', 'on-failure'].includes(needed.restart)) {
      findings.push({
        pointer: pointerOf(at('depends_on', other, 'condition')),
        message: `"${other}" never completes: it is restarted "${needed.restart}"`,
        mend: `set "restart" of "${other}" to "no" or "on-failure"`,
      });
    }
  }
  for (const used of Object.keys(container.applications)) {
    if (!Object.hasOwn(manifest.applications, used)) {
      findings.push(unknown(at('applications', used), 'application', used, Object.keys(manifest.applications)));
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
    ...twice(say('the network', listOf(at('networks'), container.networks))),
    ...twice(say('the mount', mountsOf(container, at))),
    ...contentProblems(name, container, manifest),
  );
  if (container.base_image !== undefined && container.base.kind !== 'scratch') {
    findings.push({
      pointer: pointerOf(at('base_image')),
      message: 'both "base" and "base_image" say what lies under it',
      mend: 'keep "base"',
    });
  }
  return findings;
}

function mountsOf(container: ManifestContainer, at: (...path: PropertyKey[]) => PropertyKey[]): Place[] {
  return [
    ...container.volumes.map(({ path }, index) => ({ path: at('volumes', index, 'path'), value: path })),
    ...container.secrets.map(({ name, path }, index) => ({
      path: at('secrets', index),
      value: path ?? `/run/secrets/${name}`,
    })),
  ];
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
