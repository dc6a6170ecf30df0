// What has a digest and over which bytes: SHA-256 of canonical JSON (RFC 8785), with a domain in front where keys are made.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { BuildStep, Manifest, ManifestContainer, Platform } from '#manifests/schema';

/** SHA-256 as OCI writes it: "sha256:" and 64 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}`;

/** Whether a text is a Digest. */
export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** The Digest of bytes, or of a text in UTF-8. */
export function digestOf(content: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The canonical JSON (RFC 8785) of a JSON value; throws on what JSON can't hold. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('Cannot write a value as canonical JSON: it is undefined');
  return text;
}

/** The identity of a parsed manifest: its canonical JSON with all defaults written out, whatever can or can't change an image. */
export function manifestDigest(manifest: Manifest): Digest {
  return digestOf(canonicalJson(manifest));
}

/** What one container's image is made of besides its manifest. */
export interface BuildInputs {
  readonly platform: Platform;
  /** What it is built on; undefined for nothing. */
  readonly base?: Digest | undefined;
  /** By `APPLICATION/PART`: the digest of the source's tree (part "source"), and the key of each step (`makeStepKey`). */
  readonly content: Readonly<Record<string, Digest>>;
  /** The digest of each entry of `files`, in order. */
  readonly files: readonly Digest[];
  /** The digest of the locked packages (`lockedDigest`). */
  readonly packages: Digest;
  /** The integrity of its Node; undefined where it has none of its own. */
  readonly node?: string | undefined;
}

/** What can change an image's bytes, and nothing else: edits of lifecycle, health or resources keep it. */
export function buildClosure(manifest: Manifest, container: ManifestContainer, inputs: BuildInputs) {
  return {
    format: manifest.packaging.format,
    epoch: manifest.packaging.epoch,
    layer_budget: manifest.packaging.layer_budget,
    platform: inputs.platform,
    base: inputs.base ?? null,
    packages: inputs.packages,
    node: inputs.node ?? null,
    applications: Object.entries(container.applications)
      .map(([name, { destination, owner, content }]) => ({
        destination,
        owner,
        content: content.map((part) => ({
          digest: inputs.content[`${name}/${part}`],
          layer: layerOf(manifest, name, part),
        })),
      }))
      .sort((left, right) => (left.destination < right.destination ? -1 : 1)),
    files: container.files.map(({ destination, mode, owner }, index) => ({
      destination,
      mode,
      owner,
      digest: inputs.files[index],
    })),
    directories: container.directories,
    links: container.links,
    accounts: container.accounts,
    entrypoint: container.entrypoint,
    command: container.command,
    environment: container.environment,
    working_directory: container.working_directory,
    user: container.user,
    labels: container.labels,
    stop_signal: container.stop_signal ?? null,
    ports: [...container.ports].sort((left, right) => left - right),
  };
}

/** The key of an image: the digest of its closure. */
export function makeBuildKey(manifest: Manifest, container: ManifestContainer, inputs: BuildInputs): Digest {
  return digestOf(`hermesh-build/1\0${canonicalJson(buildClosure(manifest, container, inputs))}`);
}

/** What one step's result is made of besides what the manifest says of it. */
export interface StepInputs {
  readonly platform: Platform;
  /** The digest of the part of the source that it sees. */
  readonly source: Digest;
  /** The digest of the locked packages of its toolchain. */
  readonly toolchain: Digest;
  /** The integrity of an exact Node, beside the packages. */
  readonly node: string | undefined;
  /** The key of each step it needs, by its name. */
  readonly needs: Readonly<Record<string, Digest>>;
  /** By kind, the digests of the lock files whose artifacts it reads. */
  readonly lockfiles: Readonly<Record<string, readonly Digest[]>>;
}

/** What can change a step's result. */
export function stepClosure(step: BuildStep, inputs: StepInputs) {
  const { run, environment, outputs, network } = step;
  return { ...inputs, node: inputs.node ?? null, run, environment, outputs, network };
}

/** The key of a step's result: the digest of its closure. Steps with one key have one result, whatever they are called. */
export function makeStepKey(step: BuildStep, inputs: StepInputs): Digest {
  return digestOf(`hermesh-step/1\0${canonicalJson(stepClosure(step, inputs))}`);
}

/** The layer that a part of an application goes into. */
export function layerOf(manifest: Manifest, application: string, part: string): BuildStep['layer'] {
  const { source, build } = manifest.applications[application] ?? {};
  const step = build?.steps.find(({ name }) => name === part);
  return (part === 'source' ? source?.layer : step?.layer) ?? 'application';
}
