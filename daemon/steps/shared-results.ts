// What the mesh says of results of build steps, as records: read for steps that were not run here, written of those that were.
import { isDigest } from '#manifests';
import type { ResultClaim, SharedResults } from '#manifests/steps';
import type { Registry } from '#registry';
import type { Exchange } from '#registry/exchange';
import type { StepResultRecord } from '../kinds.ts';

/** Of one result: more vouchers than anybody asks. */
const maxClaims = 100;
/** Of this stack's own: a tenth of what a feed holds, and more steps than a team changes in months. */
const maxOwn = 1_000;

interface Parts {
  readonly registry: Pick<Registry, 'stack' | 'directory' | 'write' | 'member'>;
  readonly exchange: Pick<Exchange, 'fetch'>;
  readonly operatorOf: (stack: string) => string | undefined;
  readonly log: { warn(fields: object, message: string): void };
}

export function openSharedResults({ registry, exchange, operatorOf, log }: Parts): SharedResults {
  const others = (key: string): ResultClaim[] =>
    registry.directory
      .claimants<StepResultRecord>('step-result', key, { includeUnreachable: true })
      .filter(({ stack }) => stack !== registry.stack)
      .slice(0, maxClaims)
      .flatMap(({ stack, stackName, body: { layer, sizeBytes } }) => {
        const role = registry.member(stack)?.role;
        if (role === undefined || !isDigest(layer)) return [];
        const isBuilder = role === 'builder' || role === 'admin';
        return [{ stack, stackName, isBuilder, operator: operatorOf(stack), layer, sizeBytes }];
      });
  return {
    claims: others,
    async bring({ layer, sizeBytes, by }, { signal }) {
      await exchange.fetch(layer, { sizeBytes, from: by.map(({ stack }) => stack), signal });
    },
    made(key, { digest: layer, sizeBytes }) {
      const differing = others(key).filter((claim) => claim.layer !== layer);
      if (differing.length > 0) {
        const stacks = differing.map(({ stackName }) => stackName);
        log.warn({ key, layer, stacks }, 'a build step gave something else here than on other stacks');
      }
      const own = registry.directory.list<StepResultRecord>({ kind: 'step-result', stack: registry.stack });
      const known = own.find(({ name }) => name === key)?.body;
      if (known?.layer === layer) return;
      const oldest = own.sort((a, b) => a.position - b.position);
      const gone = oldest.slice(0, Math.max(0, own.length + 1 - maxOwn));
      registry.write([
        ...gone.map(({ kind, name }) => ({ kind, name, body: undefined })),
        { kind: 'step-result', name: key, body: { layer, sizeBytes } },
      ]);
    },
  };
}
