// What goes into each image: sources read once, locks that fit, keys of steps and images, all before any work is done.
import { baseReference, type WantedBase } from '#manifests/bases';
import type { LockedPackage } from '#manifests/debian';
import type { BuildStep, Manifest, ManifestApplication, ManifestContainer, Platform } from '#manifests/schema';
import { type BuildInputs, buildClosure, type Digest, makeBuildKey, makeStepKey, stepClosure } from './digest.ts';
import { pointerOf } from './error.ts';
import { factsOf, type InputFacts } from './explain.ts';
import type { ReadMemory } from './file-content.ts';
import { type Lock, lockedBase, lockedDigest, lockedNode, lockedPackages, lockedToolchain } from './lock.ts';
import type { WantedNode } from './node-layer.ts';
import { laterProblem } from './parse.ts';
import { stepsInOrder } from './relations.ts';
import { locate, partOfTree, readSource, readSourceFile, type SourceEntry, type SourceTree } from './sources.ts';

type SourceFile = Extract<SourceEntry, { type: 'file' }>;

/** A step that has to be run for a platform, with everything that its result depends on. */
export interface PlannedStep {
  readonly application: string;
  readonly step: BuildStep;
  readonly platform: Platform;
  /** Steps with one key have one result. */
  readonly key: Digest;
  /** The part of the source that it sees. */
  readonly source: SourceTree;
  readonly toolchain: readonly LockedPackage[];
  /** An exact Node, beside the packages. */
  readonly node: WantedNode | undefined;
  /** By kind, the lock files whose artifacts it may read. */
  readonly lockfiles: readonly { readonly kind: string; readonly file: SourceFile }[];
}

/** An image that is to be made. */
export interface PlannedImage {
  readonly container: string;
  readonly platform: Platform;
  readonly buildKey: Digest;
  readonly packages: readonly LockedPackage[];
  readonly base: WantedBase | undefined;
  /** Of the applications that are started in it; a page that was only built with Node has none. */
  readonly node: WantedNode | undefined;
  readonly sources: Readonly<Record<string, SourceTree>>;
  /** By application and step: those whose results go into the image, and those that they need. */
  readonly steps: Readonly<Record<string, Readonly<Record<string, PlannedStep>>>>;
  readonly files: readonly SourceFile[];
  /** What `--explain` compares with the last time. */
  readonly facts: InputFacts;
}

export interface PlanRequest {
  readonly manifest: Manifest;
  readonly lock: Lock | undefined;
  /** The folder of the manifest. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** What is remembered of files that were read before. */
  readonly memory?: ReadMemory | undefined;
  /** The digest of what a folder that is a base holds: only its content can be a part of a key. */
  readonly digestOfTree: (base: WantedBase, platform: Platform) => Promise<Digest>;
}

/** Reads sources once, however many containers and platforms use them. */
export function openPlanner(request: PlanRequest): (container: string, platform: Platform) => Promise<PlannedImage> {
  const trees = new Map<string, Promise<SourceTree>>();
  const treeOf = (name: string, application: ManifestApplication): Promise<SourceTree> => {
    const pointer = pointerOf(['applications', name, 'source']);
    const options = { pointer, signal: request.signal, memory: request.memory };
    const tree = trees.get(name) ?? readSource(request.directory, application.source, options);
    trees.set(name, tree);
    return tree;
  };
  return (container, platform) => planImage(container, platform, request, treeOf);
}

/** Refuses what can be refused without reading anything: locks that don't fit. */
export function checkLocks({ manifest, lock }: Pick<PlanRequest, 'manifest' | 'lock'>): void {
  for (const [name, container] of Object.entries(manifest.containers)) {
    for (const platform of container.platforms) {
      lockedPackages(manifest, lock, name, platform);
      lockedBase(manifest, lock, name, platform);
      for (const application of Object.keys(container.applications)) {
        lockedNode(manifest, lock, application, platform);
        for (const step of stepNamesOf(manifest, container, application))
          lockedToolchain(manifest, lock, { application, step }, platform);
      }
    }
  }
}

async function planImage(
  name: string,
  platform: Platform,
  request: PlanRequest,
  treeOf: (name: string, application: ManifestApplication) => Promise<SourceTree>,
): Promise<PlannedImage> {
  const { manifest, lock, directory, signal, memory } = request;
  const container = manifest.containers[name];
  if (container === undefined) throw new TypeError(`Cannot build "${name}": the manifest has no such container`);
  const packages = lockedPackages(manifest, lock, name, platform);
  const sources: Record<string, SourceTree> = {};
  const steps: Record<string, Record<string, PlannedStep>> = {};
  const content: Record<string, Digest> = {};
  for (const [used, { content: parts }] of Object.entries(container.applications)) {
    const application = manifest.applications[used];
    if (application === undefined) throw new TypeError(`Cannot build: the manifest has no application "${used}"`);
    const tree = await treeOf(used, application);
    sources[used] = tree;
    steps[used] = planSteps(used, platform, tree, stepNamesOf(manifest, container, used), request);
    for (const part of parts) {
      const digest = part === 'source' ? tree.digest : steps[used]?.[part]?.key;
      if (digest !== undefined) content[`${used}/${part}`] = digest;
    }
  }
  const files: SourceFile[] = [];
  for (const [index, { source }] of container.files.entries()) {
    const pointer = pointerOf(['containers', name, 'files', index]);
    files.push(await readSourceFile(directory, source, { pointer, signal, memory }));
  }
  const base = await wantedBase(name, platform, request);
  const node = Object.keys(container.applications)
    .filter((used) => (manifest.applications[used]?.start.length ?? 0) > 0)
    .map((used) => lockedNode(manifest, lock, used, platform))
    .find((one) => one !== undefined);
  const inputs: BuildInputs = {
    platform,
    base:
      base?.kind === 'rootfs' ? await request.digestOfTree(base, platform) : lockedBase(manifest, lock, name, platform),
    packages: lockedDigest(packages),
    node: node?.integrity,
    content,
    files: files.map(({ sha256 }): Digest => `sha256:${sha256}`),
  };
  return {
    container: name,
    platform,
    buildKey: makeBuildKey(manifest, container, inputs),
    packages,
    base,
    node,
    sources,
    steps,
    files,
    facts: factsOf(
      {
        ...buildClosure(manifest, container, inputs),
        // What stands behind these digests is told by its own name.
        packages: undefined,
        applications: container.applications,
        files: Object.fromEntries(
          container.files.map(({ source, ...rest }, index) => [source, { ...rest, digest: inputs.files[index] }]),
        ),
        content,
        steps: Object.fromEntries(
          Object.values(steps)
            .flatMap((one) => Object.values(one))
            .map((one) => [`${one.application}/${one.step.name}`, stepFacts(one)]),
        ),
      },
      packages,
    ),
  };
}

function planSteps(
  name: string,
  platform: Platform,
  tree: SourceTree,
  wanted: readonly string[],
  { manifest, lock }: PlanRequest,
): Record<string, PlannedStep> {
  const application = manifest.applications[name] as ManifestApplication;
  const planned: Record<string, PlannedStep> = {};
  for (const stepName of stepsInOrder(application).filter((one) => wanted.includes(one))) {
    const index = application.build.steps.findIndex((one) => one.name === stepName);
    const step = application.build.steps[index] as BuildStep;
    const source = partOfTree(tree, step.inputs);
    const toolchain = lockedToolchain(manifest, lock, { application: name, step: stepName }, platform);
    const lockfiles = application.lockfiles
      .filter(({ kind }) => step.caches.includes(kind))
      .map(({ kind, path, digest }) => {
        const file = tree.entries.find((entry): entry is SourceFile => entry.type === 'file' && entry.path === path);
        const at = pointerOf([
          'applications',
          name,
          'lockfiles',
          application.lockfiles.findIndex((one) => one.path === path),
        ]);
        if (file === undefined) throw laterProblem('missing-source', `${at}/path`, `the source holds no "${path}"`);
        if (digest !== undefined && digest !== `sha256:${file.sha256}`)
          throw laterProblem(
            'lock-mismatch',
            `${at}/digest`,
            `"${path}" has sha256:${file.sha256}`,
            'write that digest, or take it out',
          );
        return { kind, file };
      });
    const node = lockedNode(manifest, lock, name, platform);
    const key = makeStepKey(step, {
      platform,
      source: source.digest,
      toolchain: lockedDigest(toolchain),
      node: node?.integrity,
      needs: Object.fromEntries(step.needs.map((needed) => [needed, (planned[needed] as PlannedStep).key])),
      lockfiles: lockfileDigests(lockfiles),
    });
    planned[stepName] = { application: name, step, platform, key, source, toolchain, node, lockfiles };
  }
  return planned;
}

function stepFacts({ step, platform, source, toolchain, node, lockfiles }: PlannedStep): object {
  return stepClosure(step, {
    platform,
    source: source.digest,
    toolchain: lockedDigest(toolchain),
    node: node?.integrity,
    needs: {},
    lockfiles: lockfileDigests(lockfiles),
  });
}

function lockfileDigests(lockfiles: PlannedStep['lockfiles']): Record<string, Digest[]> {
  const digests: Record<string, Digest[]> = {};
  for (const { kind, file } of lockfiles) digests[kind] = [...(digests[kind] ?? []), `sha256:${file.sha256}`];
  return digests;
}

/** The steps whose results a container takes of an application, and all that those need. */
function stepNamesOf(manifest: Manifest, container: ManifestContainer, application: string): string[] {
  const steps = manifest.applications[application]?.build.steps ?? [];
  const wanted = new Set<string>();
  const add = (name: string): void => {
    const step = steps.find((one) => one.name === name);
    if (step === undefined || wanted.has(name)) return;
    wanted.add(name);
    for (const needed of step.needs) add(needed);
  };
  for (const part of container.applications[application]?.content ?? []) add(part);
  return [...wanted];
}

async function wantedBase(
  name: string,
  platform: Platform,
  { manifest, lock, directory }: PlanRequest,
): Promise<WantedBase | undefined> {
  const { base, base_image } = manifest.containers[name] as ManifestContainer;
  const digest = lockedBase(manifest, lock, name, platform);
  const at = pointerOf(['containers', name, 'base', 'path']);
  if (base_image !== undefined && digest) return { kind: 'registry', name: baseReference(base_image).name, digest };
  if (base.kind === 'registry' && digest) return { kind: 'registry', name: baseReference(base.reference).name, digest };
  if (base.kind === 'engine' && digest) return { kind: 'engine', image: digest };
  if (base.kind === 'oci-layout' && digest)
    return { kind: 'oci-layout', path: await locate(directory, base.path, at), digest };
  return base.kind === 'rootfs' ? { kind: 'rootfs', path: await locate(directory, base.path, at) } : undefined;
}
