// The labels on each container that a stack starts: they tie it to stack, project, manifest and CI, and show drift.
import { canonicalJson, digestOf } from '#manifests';

/** Who a container is, as its labels say. */
export interface ContainerIdentity {
  readonly stack: string;
  readonly project: string;
  /** Its name in the manifest. */
  readonly container: string;
  readonly manifestDigest: string;
  readonly ci: string;
  readonly buildKey: string;
  readonly specDigest: string;
  /** Names in the manifest of what it depends on, with "," between: stopping needs no manifest. */
  readonly dependsOn: string;
}

const keys = {
  stack: 'io.hermesh.stack',
  project: 'io.hermesh.project',
  container: 'io.hermesh.container',
  manifestDigest: 'io.hermesh.manifest',
  ci: 'io.hermesh.ci',
  buildKey: 'io.hermesh.build-key',
  specDigest: 'io.hermesh.spec',
  dependsOn: 'io.hermesh.depends-on',
} as const satisfies Record<keyof ContainerIdentity, string>;

/** A container that a run put aside, to bring it back if the run fails; it has no CI meanwhile. */
const asidePrefix = 'hermesh-aside-';
/** A container of a build step, which nobody talks to. */
const stepPrefix = 'hermesh-step-';

export function makeLabels(identity: ContainerIdentity): Record<string, string> {
  return Object.fromEntries(Object.entries(keys).map(([key, label]) => [label, identity[key as keyof typeof keys]]));
}

/** Undefined where no stack started it; a label that is missing reads as empty. */
export function readLabels(labels: Readonly<Record<string, string>>): ContainerIdentity | undefined {
  if (labels[keys.stack] === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(keys).map(([key, label]) => [key, labels[label] ?? '']),
  ) as unknown as ContainerIdentity;
}

/** The name that the engine has for a container of a project. */
export function engineName(project: string, container: string): string {
  return `${project}-${container}`;
}

/**
 * Who a container is where its name says the same as its labels, or that a run put it aside; undefined else. Labels are
 * copied along with what people copy (a `docker run` pasted from an inspection, a renamed keepsake), names are unique.
 */
export function identityOf(one: {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}): ContainerIdentity | undefined {
  const identity = readLabels(one.labels);
  if (identity === undefined) return undefined;
  const isNamed = one.name === engineName(identity.project, identity.container) || one.name === asideName(one.id);
  return isNamed ? identity : undefined;
}

/** The labels of a network or a volume of a project. */
export function makeThingLabels(stack: string, project: string): Record<string, string> {
  return { [keys.stack]: stack, [keys.project]: project };
}

/** Whose network or volume it is; undefined where no stack made it for a project. */
export function thingOwner(
  labels: Readonly<Record<string, string>>,
): { readonly stack: string; readonly project: string } | undefined {
  const { [keys.stack]: stack, [keys.project]: project } = labels;
  return stack === undefined || project === undefined ? undefined : { stack, project };
}

/** The name of `sha256:` and the hex digest over the canonical JSON (RFC 8785) of what a container is made from. */
export function specDigest(spec: object): string {
  return digestOf(canonicalJson(spec));
}

export function asideName(containerId: string): string {
  return `${asidePrefix}${containerId.slice(0, 12)}`;
}

export function isAside(containerName: string): boolean {
  return containerName.startsWith(asidePrefix) || containerName.startsWith(stepPrefix);
}
