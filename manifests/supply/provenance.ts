// How an image came to be, as SLSA provenance (slsa.dev/provenance/v1): what was asked, all that went in by its digest, who built.
import { z } from 'zod';
import type { LockedPackage } from '#manifests/debian';
import type { Platform } from '#manifests/schema';
import { type Component, purlOf } from '#manifests/supply/catalogue';
import { type Digest, isDigest } from '../digest.ts';
import { hexOf, type Statement, uriOfStack } from './statement.ts';

/** What a build was made of. */
export interface BuildFacts {
  /** Of `packaging.format`. */
  readonly format: string;
  readonly project: string;
  readonly container: string;
  readonly platform: Platform;
  readonly manifestDigest: Digest;
  readonly buildKey: Digest;
  /** Debian packages in the image, and in the toolchains of its steps. */
  readonly packages: readonly LockedPackage[];
  readonly toolchains: readonly LockedPackage[];
  /** What the image is built on. */
  readonly base: { readonly name: string; readonly digest: Digest } | undefined;
  /** By application, the digest of its source's tree. */
  readonly sources: Readonly<Record<string, Digest>>;
  /** By destination, files that the manifest puts there. */
  readonly files: Readonly<Record<string, Digest>>;
  /** By path, lock files whose artifacts the steps read; and those artifacts. */
  readonly lockfiles: Readonly<Record<string, Digest>>;
  readonly artifacts: readonly Component[];
}

/** A resource descriptor of in-toto. */
interface Resource {
  readonly uri: string;
  readonly name?: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** in-toto's names of hash algorithms. */
const algorithms = {
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
} as const;

/** The predicate: the same facts and builder give the same bytes. */
export function makeProvenance(facts: BuildFacts, builder: string): object {
  const { project, container, platform, manifestDigest, buildKey } = facts;
  return {
    buildDefinition: {
      buildType: buildTypeOf(facts.format),
      externalParameters: { manifestDigest, project, container, platform, buildKey },
      resolvedDependencies: resourcesOf(facts),
    },
    runDetails: { builder: { id: uriOfStack(builder) } },
  };
}

/** The format is the version of the rules by which bytes are made. */
export function buildTypeOf(format: string): string {
  return `urn:hermesh:build:${format}`;
}

const provenanceSchema = z.object({
  buildDefinition: z.object({
    buildType: z.string(),
    externalParameters: z.object({
      manifestDigest: z.string().refine(isDigest),
      buildKey: z.string().refine(isDigest),
      project: z.string(),
      container: z.string(),
      platform: z.string(),
    }),
    resolvedDependencies: z.array(z.unknown()).max(200_000).default([]),
  }),
  runDetails: z.object({ builder: z.object({ id: z.string() }) }),
});

export interface ReadProvenance {
  readonly manifestDigest: Digest;
  readonly buildKey: Digest;
  readonly project: string;
  readonly container: string;
  readonly platform: string;
  /** The URI of who built. */
  readonly builder: string;
}

/** What a provenance says; undefined where it is none of ours. */
export function readProvenance(statement: Statement): ReadProvenance | undefined {
  const read = provenanceSchema.safeParse(statement.predicate);
  if (!read.success) return undefined;
  const { buildDefinition, runDetails } = read.data;
  const { manifestDigest, buildKey, ...rest } = buildDefinition.externalParameters;
  return {
    ...rest,
    manifestDigest: manifestDigest as Digest,
    buildKey: buildKey as Digest,
    builder: runDetails.builder.id,
  };
}

function resourcesOf(facts: BuildFacts): Resource[] {
  const resources: Resource[] = [
    ...(facts.base
      ? [{ uri: `urn:hermesh:base:${facts.base.name}`, name: 'base', digest: { sha256: hexOf(facts.base.digest) } }]
      : []),
    ...facts.packages.map((one) => resourceOfPackage(one, 'package')),
    ...facts.toolchains.map((one) => resourceOfPackage(one, 'toolchain')),
    // A tree's digest is over its canonical list, not over bytes that anybody could fetch: it has a name of its own.
    ...Object.entries(facts.sources).map(([name, digest]) => ({
      uri: `urn:hermesh:source:${name}`,
      name: 'source',
      digest: { hermeshTree: hexOf(digest) },
    })),
    ...Object.entries(facts.files).map(([path, digest]) => resourceOfFile(path, digest, 'file')),
    ...Object.entries(facts.lockfiles).map(([path, digest]) => resourceOfFile(path, digest, 'lockfile')),
    ...facts.artifacts.flatMap((one) => resourceOfArtifact(one)),
  ];
  const unique = new Map(resources.map((one) => [`${one.name} ${one.uri}`, one]));
  return [...unique].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, one]) => one);
}

function resourceOfPackage({ name, version, architecture, sha256 }: LockedPackage, what: string): Resource {
  const purl = purlOf({
    ecosystem: 'deb',
    namespace: 'debian',
    name,
    version,
    qualifiers: { arch: architecture },
    licenses: [],
    hashes: {},
  });
  return { uri: purl, name: what, digest: { sha256 } };
}

function resourceOfFile(path: string, digest: Digest, what: string): Resource {
  return { uri: `urn:hermesh:file:${encodeURI(path)}`, name: what, digest: { sha256: hexOf(digest) } };
}

function resourceOfArtifact(one: Component): Resource[] {
  const digest = Object.fromEntries(
    Object.entries(one.hashes).map(([name, value]) => [algorithms[name as keyof typeof algorithms], value]),
  );
  return Object.keys(digest).length === 0 ? [] : [{ uri: purlOf(one), name: 'artifact', digest }];
}
