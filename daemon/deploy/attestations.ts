// How what stacks say of images travels: each tells the mesh what it attached to an image, and brings what others attached.
import type { Logger } from 'pino';
import type { RecordChange } from '#daemon/records';
import type { BlobStore, Digest } from '#manifests';
import type { KeyOf } from '#manifests/supply';
import type { Registry } from '#registry';
import type { Exchange } from '#registry/exchange';
import { type AttestationRecord, maxToldAttestations } from '../kinds.ts';

interface Parts {
  readonly blobs: BlobStore;
  readonly exchange: Exchange;
  readonly registry: Pick<Registry, 'stack' | 'directory'>;
  readonly keyOf: KeyOf;
  readonly log: Logger;
}

export interface Attestations {
  /** The records that tell what this stack itself says of these images. */
  told(images: readonly Digest[]): Promise<readonly RecordChange[]>;
  /** Brings what others say of an image as far as they can be reached in some seconds; gives how many came. */
  bring(image: Digest, options: { readonly signal: AbortSignal }): Promise<number>;
}

/** Stacks whose word on one image is fetched: more than any policy counts. */
const maxStacks = 32;
/** A bill of materials of 5,000 packages has about 3 MB: what takes longer comes the next time. */
const bringMs = 15_000;

export function makeAttestations({ blobs, exchange, registry, keyOf, log }: Parts): Attestations {
  /** One attestation, its manifest first: kept only where whoever told of it has signed it. */
  const bringOne = async (
    image: Digest,
    stack: string,
    [digest, sizeBytes]: AttestationRecord['attestations'][number],
    signal: AbortSignal,
  ): Promise<boolean> => {
    const { adopt, openBundle, readBundle, readReferrer } = await import('#manifests/supply');
    const wanted = { digest: digest as Digest };
    await exchange.fetch(wanted.digest, { sizeBytes, signal });
    const read = await readReferrer(wanted, image, blobs);
    if ('refused' in read) return false;
    await exchange.fetch(read.bundle.digest, { sizeBytes: read.bundle.size, signal });
    const bundle = await readBundle(wanted, image, blobs);
    const opened = bundle instanceof Uint8Array ? openBundle(bundle, keyOf) : bundle;
    if ('refused' in opened || opened.by !== stack) return false;
    return (await adopt(wanted.digest, image, blobs)) !== undefined;
  };

  return {
    async told(images) {
      const { annotations, wholeReferrersOf } = await import('#manifests/supply');
      const changes: RecordChange[] = [];
      for (const image of new Set(images)) {
        const own = (await wholeReferrersOf(image, blobs)).filter(
          (one) => one.annotations[annotations.by] === registry.stack,
        );
        const attestations = own.slice(0, maxToldAttestations).map(({ digest, size }) => [digest, size] as const);
        if (attestations.length > 0)
          changes.push({ kind: 'attestation', name: image, body: { attestations } satisfies ReadonlyRecord });
      }
      return changes;
    },
    async bring(image, options) {
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(bringMs)]);
      const { wholeReferrersOf } = await import('#manifests/supply');
      const records = registry.directory
        .list<AttestationRecord>({ kind: 'attestation', name: image, includeUnreachable: true })
        .filter(({ stack }) => stack !== registry.stack && keyOf(stack) !== undefined);
      if (records.length === 0) return 0;
      const known = new Set<string>((await wholeReferrersOf(image, blobs)).map(({ digest }) => digest));
      let count = 0;
      for (const { stack, body } of records.slice(0, maxStacks)) {
        for (const one of body.attestations.filter(([digest]) => !known.has(digest))) {
          try {
            if (await bringOne(image, stack, one, signal)) count += 1;
            else log.warn({ image, stack, attestation: one[0] }, 'an attestation is not what its record says');
          } catch (error) {
            options.signal.throwIfAborted();
            // Its holders are away, or slow: the verdict says what is missing.
            log.debug({ image, stack, attestation: one[0], error }, 'an attestation could not be brought');
          }
        }
      }
      return count;
    },
  };
}

interface ReadonlyRecord {
  readonly attestations: readonly (readonly [string, number])[];
}
