// How a statement is signed and checked: DSSE (github.com/secure-systems-lab/dsse, protocol 1.0) with a stack's Ed25519 key, in a
// Sigstore bundle 0.3 with the key's name and no transparency log.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Bundle, bundleFromJSON, bundleToJSON, toDSSEBundle } from '@sigstore/bundle';
import { toSignedEntity, Verifier } from '@sigstore/verify';
import { canonicalJson } from '../digest.ts';
import { parseStatement, type Statement } from './statement.ts';

/** Who signs: the private half of the key stays behind `sign`. */
export interface Signer {
  /** The stack's id, by which its key is found. */
  readonly stack: string;
  /** An Ed25519 signature of 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** The raw Ed25519 key of 32 bytes of a stack; undefined for one that isn't trusted or known. */
export type KeyOf = (stack: string) => Uint8Array | undefined;

/** A statement with a true signature. */
export interface SignedStatement {
  readonly by: string;
  readonly statement: Statement;
}

export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const payloadType = 'application/vnd.in-toto+json';
/** DER before a raw key (RFC 8410). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** The bytes of the bundle; the same statement by the same stack gives the same, since Ed25519 takes no chance. */
export function signStatement(statement: Statement, signer: Signer): Buffer {
  const payload = Buffer.from(canonicalJson(statement));
  const signature = Buffer.from(signer.sign(preAuthenticationEncoding(payload)));
  const bundle = toDSSEBundle({ artifact: payload, artifactType: payloadType, signature, keyHint: signer.stack });
  return Buffer.from(canonicalJson(bundleToJSON(bundle)));
}

/**
 * What a bundle says, where its signature is true and by a known key; else why it is refused. Every byte counts: what isn't as
 * `signStatement` writes it is refused, too.
 */
export function openBundle(bytes: Uint8Array, keyOf: KeyOf): SignedStatement | { readonly refused: string } {
  const text = Buffer.from(bytes).toString('utf8');
  let bundle: Bundle;
  try {
    bundle = bundleFromJSON(JSON.parse(text));
    if (!Buffer.from(canonicalJson(bundleToJSON(bundle))).equals(bytes))
      return { refused: 'it is not written canonically' };
  } catch (error) {
    return { refused: `it is no Sigstore bundle: ${error instanceof Error ? error.message : String(error)}` };
  }
  const { content, verificationMaterial } = bundle;
  if (bundle.mediaType !== bundleMediaType) return { refused: `it is a "${bundle.mediaType}"` };
  if (content.$case !== 'dsseEnvelope' || content.dsseEnvelope.payloadType !== payloadType)
    return { refused: 'it has no in-toto statement' };
  const { signatures, payload } = content.dsseEnvelope;
  if (verificationMaterial.content.$case !== 'publicKey') return { refused: 'it is not signed by the key of a stack' };
  const { hint } = verificationMaterial.content.publicKey;
  if (signatures.length !== 1 || signatures[0]?.keyid !== hint)
    return { refused: 'it names another key than it is signed with' };
  const raw = keyOf(hint);
  if (raw?.byteLength !== 32) return { refused: `the key of "${hint}" is not trusted here` };
  try {
    verifierOf(hint, raw).verify(toSignedEntity(bundle));
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
  const statement = parseStatement(payload.toString('utf8'));
  return statement ? { by: hint, statement } : { refused: 'its statement is not as in-toto says' };
}

function verifierOf(stack: string, raw: Uint8Array): Verifier {
  const publicKey: KeyObject = createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
  return new Verifier(
    {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      publicKey: (hint) => {
        if (hint !== stack) throw new Error(`the key of "${hint}" is not trusted here`);
        // The mesh says which keys hold; a bundle has no time to hold one against.
        return { publicKey, validFor: () => true };
      },
    },
    { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 },
  );
}

/** What is signed: the type and the payload, each with its length before it. */
function preAuthenticationEncoding(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
}
