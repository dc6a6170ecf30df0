// What a stack can say of an image, as in-toto statements (in-toto.io/Statement/v1): the image, the predicates, and nothing of a clock.
import { z } from 'zod';
import type { Digest } from '../digest.ts';

/** What is said, by the URIs of those who defined it. */
export const predicateTypes = {
  /** "This image is mine", as cosign says it (sigstore/cosign issue 4491). */
  signature: 'https://sigstore.dev/cosign/sign/v1',
  provenance: 'https://slsa.dev/provenance/v1',
  sbom: 'https://cyclonedx.org/bom',
  /** A summary of checks (SLSA 1.1, VSA): of a rebuild, and of the gate. */
  summary: 'https://slsa.dev/verification_summary/v1',
} as const;

export type What = keyof typeof predicateTypes;

/** An image as statements name it. */
export interface ImageName {
  /** `PROJECT/CONTAINER`. */
  readonly name: string;
  readonly digest: Digest;
  readonly configDigest: Digest;
}

const statementSchema = z.object({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  subject: z
    .array(z.object({ name: z.string().optional(), digest: z.record(z.string(), z.string()) }))
    .min(1)
    .max(100),
  predicateType: z.string().max(500),
  predicate: z.record(z.string(), z.unknown()).default({}),
});

export type Statement = z.infer<typeof statementSchema>;

/** A statement about an image, which has two digests: newer engines name it by its manifest, older ones by its config. */
export function makeStatement(what: What, image: ImageName, predicate: object): Statement {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [
      { name: image.name, digest: { sha256: hexOf(image.digest) } },
      { name: `${image.name}#config`, digest: { sha256: hexOf(image.configDigest) } },
    ],
    predicateType: predicateTypes[what],
    predicate: predicate as Record<string, unknown>,
  };
}

/** A statement in a signed text; undefined where it is none. */
export function parseStatement(text: string): Statement | undefined {
  try {
    return statementSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Whether the statement speaks of the blob with this digest. */
export function isAbout(statement: Statement, digest: Digest): boolean {
  return statement.subject.some((one) => one.digest['sha256'] === hexOf(digest));
}

/** Which of ours a statement is; undefined for another's. */
export function whatOf({ predicateType }: Pick<Statement, 'predicateType'>): What | undefined {
  return (Object.keys(predicateTypes) as What[]).find((what) => predicateTypes[what] === predicateType);
}

/** The stack as a URI, which a builder and a verifier are named by. */
export function uriOfStack(stack: string): string {
  return `urn:hermesh:stack:${stack}`;
}

/** The 64 digits without what is before them. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
