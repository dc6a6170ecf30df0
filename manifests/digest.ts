// What has a digest and over which bytes: SHA-256 of canonical JSON (RFC 8785), with a domain in front where keys are made.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Manifest, ManifestContainer, Platform } from '#manifests/schema';

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
  /** The digest of the tree of each application used, by its name. */
  readonly applications: Readonly<Record<string, Digest>>;
  /** The digest of each entry of `files`, in order. */
  readonly files: readonly Digest[];
  /** The digest of the locked packages (`lockedDigest`). */
  readonly packages: Digest;
}

/** The key of an image: only what can change its bytes goes in, so that edits of lifecycle, health or resources keep it. */
export function makeBuildKey(manifest: Manifest, container: ManifestContainer, inputs: BuildInputs): Digest {
  const closure = {
    format: manifest.packaging.format,
    platform: inputs.platform,
    base: container.base,
    packages: inputs.packages,
    applications: Object.entries(container.applications)
      .map(([name, use]) => ({ ...use, tree: inputs.applications[name] }))
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
    ports: [...container.ports].sort((left, right) => left - right),
  };
  return digestOf(`hermesh-build/1\0${canonicalJson(closure)}`);
}
