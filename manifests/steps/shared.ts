// Whose word counts for the result of a step that wasn't run here, and the seam to where such words and results come from.
import type { BlobInfo } from '../blobs.ts';
import type { Digest } from '../digest.ts';

/** What a stack says that it got of a step, by running it itself. */
export interface ResultClaim {
  readonly stack: string;
  readonly stackName: string;
  /** Whether the mesh made it one whose results are taken as they are. */
  readonly isBuilder: boolean;
  /** Whom it says it belongs to; undefined where it says nothing, and then it counts for nobody. */
  readonly operator: string | undefined;
  readonly layer: Digest;
  readonly sizeBytes: number;
}

/** A result that may be taken. */
export interface VouchedResult {
  readonly layer: Digest;
  readonly sizeBytes: number;
  /** Those that say so, builders first. */
  readonly by: readonly Pick<ResultClaim, 'stack' | 'stackName'>[];
}

export interface SharedResults {
  /** What other stacks of this mesh say of the result with this key; bounded. */
  claims(key: Digest): readonly ResultClaim[];
  /** Brings a layer into the blob store from who has it; its bytes fit the digest. Throws where nobody gives it. */
  bring(result: VouchedResult, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Tells the mesh what this stack got by running a step. */
  made(key: Digest, layer: BlobInfo): void;
}

/** Of two operators: one compromised host, or one that errs, doesn't make a result. */
const neededOperators = 2;

/**
 * The result that may be taken without running the step: what builders got, where all of them got the same; else what stacks of
 * two declared operators got, where nobody got anything else. Undefined where nothing may be taken.
 */
export function vouchedResult(claims: readonly ResultClaim[]): VouchedResult | undefined {
  const builders = claims.filter(({ isBuilder }) => isBuilder);
  const believed = builders.length > 0 ? builders : claims;
  const [first] = believed;
  if (!first || believed.some(({ layer, sizeBytes }) => layer !== first.layer || sizeBytes !== first.sizeBytes))
    return undefined;
  const operators = new Set(believed.flatMap(({ operator }) => operator ?? []));
  if (builders.length === 0 && operators.size < neededOperators) return undefined;
  const agreeing = [...builders, ...claims.filter((one) => !one.isBuilder && one.layer === first.layer)];
  return { layer: first.layer, sizeBytes: first.sizeBytes, by: agreeing };
}
