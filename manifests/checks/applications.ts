// What an application must keep that no shape can say: steps that know one another, artifacts with a lock file, one Node a container.
import type { Manifest, ManifestApplication, ManifestContainer } from '#manifests/schema';
import { pointerOf } from '../error.ts';
import { globFault } from '../glob.ts';
import { type Finding, globFindings, listOf, say, twice, unknown } from './findings.ts';

/** A step's result is put into an image under its name, and the source under this one. */
const sourceName = 'source';

/** The faults of one application; circles of its steps are found where orders are. */
export function applicationProblems(name: string, application: ManifestApplication): Finding[] {
  const at = (...path: PropertyKey[]): PropertyKey[] => ['applications', name, ...path];
  const { source, build, lockfiles, ports } = application;
  const steps = build.steps.map((step) => step.name);
  const kinds = [...new Set(lockfiles.map(({ kind }) => kind))];
  return [
    ...globFindings(at('source', 'include'), source.include),
    ...globFindings(at('source', 'exclude'), source.exclude),
    ...Object.keys(source.modes).flatMap((glob): Finding[] => {
      const fault = globFault(glob);
      const pointer = pointerOf(at('source', 'modes', glob));
      return fault === undefined ? [] : [{ pointer, message: fault, mend: undefined }];
    }),
    ...twice(
      say('the step', [
        { path: at(), value: sourceName },
        ...steps.map((value, index) => ({ path: at('build', 'steps', index, 'name'), value })),
      ]),
    ),
    ...twice(
      say(
        'the lock file',
        lockfiles.map(({ path }, index) => ({ path: at('lockfiles', index, 'path'), value: path })),
      ),
    ),
    ...twice(say('the port', listOf(at('ports'), ports))),
    ...build.steps.flatMap((step, index) => [
      ...globFindings(at('build', 'steps', index, 'inputs'), step.inputs),
      ...twice(say('the package', listOf(at('build', 'steps', index, 'debian'), step.debian))),
      ...step.needs.flatMap((needed, number) =>
        steps.includes(needed) ? [] : [unknown(at('build', 'steps', index, 'needs', number), 'step', needed, steps)],
      ),
      ...step.caches.flatMap((kind, number) =>
        kinds.includes(kind)
          ? []
          : [unknown(at('build', 'steps', index, 'caches', number), 'lock file of kind', kind, kinds)],
      ),
    ]),
  ];
}

/** What a container takes of its applications: parts that are there, one start, one version of Node. */
export function contentProblems(name: string, container: ManifestContainer, manifest: Manifest): Finding[] {
  const at = (...path: PropertyKey[]): PropertyKey[] => ['containers', name, ...path];
  const uses = Object.entries(container.applications).flatMap(([used, { content }]) => {
    const application = Object.hasOwn(manifest.applications, used) ? manifest.applications[used] : undefined;
    return application === undefined ? [] : [{ used, content, application }];
  });
  const findings = uses.flatMap(({ used, content, application }) => {
    const known = [sourceName, ...application.build.steps.map((step) => step.name)];
    const place = at('applications', used, 'content');
    return [
      ...content.flatMap((part, index) =>
        known.includes(part) ? [] : [unknown([...place, index], 'step', part, known)],
      ),
      ...twice(say('the content', listOf(place, content))),
    ];
  });
  const hasCommand = container.entrypoint.length > 0 || container.command.length > 0;
  const starts = hasCommand ? [] : uses.filter(({ application }) => application.start.length > 0);
  if (starts.length > 1) {
    const names = starts.map(({ used }) => `"${used}"`).join(' and ');
    const message = `the applications ${names} each bring a command`;
    findings.push({ pointer: pointerOf(at('applications')), message, mend: 'say which in "command"' });
  }
  const versions = new Set(uses.flatMap(({ application }) => application.runtime.node ?? []));
  if (versions.size > 1) {
    const message = `its applications want Node ${[...versions].sort().join(' and ')}`;
    findings.push({ pointer: pointerOf(at('applications')), message, mend: 'let them want one version' });
  }
  return findings;
}
