// Whether an image may run: the facts, and a decision that is handed in; here is the one built-in rule, what `packaging.verify` asks for.
import type { Manifest } from '#manifests/schema';
import type { Digest } from '../digest.ts';
import { type FactsWork, gatherFacts, type ImageFacts, type Witness } from './facts.ts';

/** One thing that keeps an image from running, and how to mend it. */
export interface Reason {
  readonly what:
    | 'image'
    | 'signature'
    | 'provenance'
    | 'sbom'
    | 'reproductions'
    | 'licenses'
    | 'vulnerabilities'
    | 'secrets';
  readonly message: string;
  readonly mend: string;
}

export interface Verdict {
  readonly image: Digest;
  readonly isAllowed: boolean;
  /** None where it is allowed. */
  readonly reasons: readonly Reason[];
  readonly facts: ImageFacts;
}

/** What the image must have come of, as far as the caller knows. */
export interface Expected {
  readonly manifestDigest?: Digest;
  readonly buildKey?: Digest;
}

/** The decision: pure. */
export type Judge = (facts: ImageFacts, expected: Expected) => readonly Reason[];

/** Gathers the facts of an image and asks for the decision. */
export async function verifyImage(
  image: Digest,
  expected: Expected,
  work: FactsWork & { readonly judge: Judge },
): Promise<Verdict> {
  const facts = await gatherFacts(image, work);
  const reasons = work.judge(facts, expected);
  return { image, isAllowed: reasons.length === 0, reasons, facts };
}

/** With --no-cache all is said anew, also what only seems to be said. */
const build = 'build it again ("hermesh build FILE --no-cache")';

/** The built-in rule: what a manifest's `packaging` asks for. An image that isn't whole is refused whatever it says. */
export function judgeByManifest({ verify, sign }: Pick<Manifest['packaging'], 'verify' | 'sign'>): Judge {
  return (facts, expected) => [
    ...wholeness(facts),
    ...(verify.signature ? signatures(facts, sign) : []),
    ...(verify.provenance ? provenance(facts, expected) : []),
    ...(verify.sbom && facts.sboms.length === 0 ? [missing('sbom', 'bill of materials', facts)] : []),
    ...reproductions(facts, verify.reproductions),
    ...facts.findings
      .filter(({ weight }) => weight === 'refuse')
      .map(({ policy, subject, message, mend }): Reason => ({ what: policy, message: `${subject}: ${message}`, mend })),
  ];
}

function wholeness({ damage }: ImageFacts): Reason[] {
  return damage.map(({ digest, what }) => ({
    what: 'image',
    message:
      what === 'missing'
        ? `${digest} of the image is not here`
        : `${digest} of the image was changed on the disk, and is removed`,
    mend:
      what === 'missing'
        ? `${build}, or fetch it ("hermesh pull DIGEST")`
        : `${build}, and check the disk and who may write to it`,
  }));
}

function signatures(facts: ImageFacts, { keys, threshold }: Manifest['packaging']['sign']): Reason[] {
  if (facts.signatures.length === 0) return [missing('signature', 'signature', facts)];
  const counted = facts.signatures.filter(
    ({ names }) => keys.length === 0 || names.some((name) => keys.includes(name)),
  );
  const stacks = new Set(counted.map(({ stack }) => stack));
  if (stacks.size >= threshold) return [];
  const by = keys.length === 0 ? '' : ` by ${keys.map((key) => `"${key}"`).join(', ')}`;
  return [
    {
      what: 'signature',
      message: `${stacks.size} of ${threshold} signatures${by} are there`,
      mend: 'build it on those stacks, or change /packaging/sign',
    },
  ];
}

function provenance(facts: ImageFacts, { manifestDigest, buildKey }: Expected): Reason[] {
  if (facts.provenances.length === 0) return [missing('provenance', 'provenance', facts)];
  const fits = facts.provenances.some(
    ({ provenance: one }) =>
      (manifestDigest === undefined || one.manifestDigest === manifestDigest) &&
      (buildKey === undefined || one.buildKey === buildKey),
  );
  if (fits) return [];
  const told = facts.provenances.map(
    ({ provenance: one }) => `manifest ${one.manifestDigest}, build key ${one.buildKey}`,
  );
  return [
    {
      what: 'provenance',
      message: `its provenance is of ${told.join('; ')}, and not of manifest ${manifestDigest}, build key ${buildKey}`,
      mend: build,
    },
  ];
}

/** Builders beyond the first, of operators that differ from one another: several stacks of one operator are one. */
export function reproductionsOf({ provenances, rebuilders }: ImageFacts): number {
  const operators = new Set([...provenances, ...rebuilders].flatMap(({ operator }: Witness) => operator ?? []));
  return Math.max(0, operators.size - 1);
}

function reproductions(facts: ImageFacts, wanted: number): Reason[] {
  const found = reproductionsOf(facts);
  if (found >= wanted) return [];
  return [
    {
      what: 'reproductions',
      message: `${found} of ${wanted} builders of other declared operators got the same image`,
      mend: `on a stack of another operator: hermesh rebuild ${facts.digest} FILE`,
    },
  ];
}

function missing(what: Reason['what'], word: string, { refused }: ImageFacts): Reason {
  const why = refused.slice(0, 3).map((one) => `${one.digest} does not count: ${one.why}`);
  return {
    what,
    message: [`it has no ${word} that holds here`, ...why].join('; '),
    mend: `${build} on a stack of this mesh`,
  };
}
