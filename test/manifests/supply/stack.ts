// A stack that signs, and what another believes of it.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { Signer, Trust } from '#manifests/supply';

/** The same name gives the same key. */
export function makeStack(name: string): Signer & { readonly publicKey: Uint8Array } {
  const seed = Buffer.alloc(32, name);
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12);
  return { stack: name, publicKey, sign: (message) => new Uint8Array(sign(null, message, key)) };
}

/** Believes these stacks; `operators` by their names. */
export function trustIn(
  stacks: readonly ReturnType<typeof makeStack>[],
  operators: Readonly<Record<string, string>> = {},
): Trust {
  return {
    keyOf: (stack) => stacks.find((one) => one.stack === stack)?.publicKey,
    operatorOf: (stack) => operators[stack],
    namesOf: () => [],
  };
}
