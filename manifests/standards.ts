// What a well-kept manifest has: a small table of checks, each with the evidence it found and the mend where it isn't met. Pure.
import { baseReference } from '#manifests/bases';
import type { Manifest, ManifestContainer } from '#manifests/schema';
import type { Lock } from './lock.ts';

/** Raised when a check comes, goes or means another thing: what was found before stays true of the standards it names. */
export const standards = 'hermesh-1';

export interface StandardCheck {
  readonly check: string;
  readonly isMet: boolean;
  /** What was found, at which place. */
  readonly evidence: string;
  readonly mend?: string;
}

type Named = readonly [name: string, container: ManifestContainer];
type Check = (containers: readonly Named[], all: { manifest: Manifest; lock: Lock | undefined }) => Finding;
/** Containers or places that don't meet it, and what is said where all do. */
type Finding = { readonly against: readonly string[]; readonly fine: string; readonly mend: string };

const table: Readonly<Record<string, Check>> = {
  'pinned-base': (containers, { lock }) => ({
    against: containers.flatMap(([name, { base_image }]) =>
      base_image === undefined || baseReference(base_image).digest !== undefined || lock?.bases[name] !== undefined
        ? []
        : [`/containers/${name}/base_image "${base_image}"`],
    ),
    fine: 'each base is named by its digest, or pinned by the lock',
    mend: 'name the base by digest, or run "hermesh manifest lock FILE"',
  }),
  'no-latest': (containers) => ({
    against: containers.flatMap(([name, { base_image }]) =>
      base_image !== undefined && /:latest$/.test(base_image) ? [`/containers/${name}/base_image "${base_image}"`] : [],
    ),
    fine: 'no base is "latest"',
    mend: 'name a version',
  }),
  lock: (containers, { manifest, lock }) => {
    const needing = containers.filter(([, one]) => one.debian.length > 0).map(([name]) => `/containers/${name}/debian`);
    const toolchains = Object.entries(manifest.applications).flatMap(([name, { build }]) =>
      build.steps.some((step) => step.debian.length > 0) ? [`/applications/${name}/build`] : [],
    );
    return {
      against: lock === undefined ? [...needing, ...toolchains] : [],
      fine: lock === undefined ? 'nothing needs a lock' : 'the lock is there',
      mend: 'run "hermesh manifest lock FILE"',
    };
  },
  'health-path': (containers) => ({
    against: containers.flatMap(([name, { ports, health }]) =>
      ports.length > 0 && health === undefined ? [`/containers/${name}/health is missing`] : [],
    ),
    fine: 'each container that listens says how its health is asked for',
    mend: 'set "health" with "http" or "tcp"',
  }),
  'non-root': (containers) => ({
    against: containers.flatMap(([name, { user }]) =>
      /^0(?::|$)/.test(user) ? [`/containers/${name}/user "${user}"`] : [],
    ),
    fine: 'no container runs as root',
    mend: 'set "user" to a uid other than 0',
  }),
  'read-only-root': (containers) => ({
    against: containers.flatMap(([name, { security }]) =>
      security.read_only ? [] : [`/containers/${name}/security/read_only false`],
    ),
    fine: 'the root of each container is read only',
    mend: 'set "security": {"read_only": true}, and give what is written a volume',
  }),
  limits: (containers) => ({
    against: containers.flatMap(([name, { resources }]) =>
      resources.memory_mib === undefined || resources.processes === undefined
        ? [`/containers/${name}/resources without memory_mib or processes`]
        : [],
    ),
    fine: 'each container has a limit of memory and of processes',
    mend: 'set "memory_mib" and "processes"',
  }),
  license: (_, { manifest }) => ({
    against: manifest.project.license === undefined ? ['/project/license is missing'] : [],
    fine: `the project is under ${manifest.project.license}`,
    mend: 'set "license" to an SPDX expression',
  }),
};

/** As much as one line of a record holds. */
const maxEvidence = 240;

/** All checks in the order of the table. */
export function checkStandards(manifest: Manifest, lock: Lock | undefined): readonly StandardCheck[] {
  const containers = Object.entries(manifest.containers).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.entries(table).map(([check, look]) => {
    const { against, fine, mend } = look(containers, { manifest, lock });
    const said = against.length === 0 ? fine : against.join(', ');
    const evidence = said.length > maxEvidence ? `${said.slice(0, maxEvidence)}…` : said;
    return { check, isMet: against.length === 0, evidence, ...(against.length === 0 ? {} : { mend }) };
  });
}
