// Who a stack is: its Ed25519 key, the id that contains the public half, and the X25519 key that secrets are sealed to.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { base58btc } from 'multiformats/bases/base58';
import nacl from 'tweetnacl';
import { z } from 'zod';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';

/** The keys of one stack, with what can be done with them. */
export interface Identity {
  readonly stack: StackId;
  /** The Ed25519 seed, 32 bytes: whoever has it is the stack. */
  readonly seed: Uint8Array;
  /** The X25519 pair of `nacl.box`, 32 bytes each. */
  readonly box: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  /** An Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

const file = 'identity.json';
const key = z.base64().refine((text) => Buffer.from(text, 'base64').byteLength === 32, '32 bytes');
const identityFile = z.strictObject({ version: z.literal(1), stack: z.string(), seed: key, boxSecretKey: key });

/** Reads `HOME/identity.json`, or makes it at first; throws `identity-broken` rather than replace one that can't be read. */
export async function loadOrMakeIdentity(home: string): Promise<Identity> {
  const target = path.join(home, file);
  const text = await readFile(target, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text !== undefined) return parseIdentity(target, text);
  const identity = makeIdentity(randomBytes(32), randomBytes(32));
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeDurably(target, identity);
  return identity;
}

/** Pure: the identity that these two secrets of 32 bytes make. */
export function makeIdentity(seed: Uint8Array, boxSecretKey: Uint8Array): Identity {
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    stack: stackIdOf(der.subarray(spkiPrefix.byteLength)),
    seed,
    box: nacl.box.keyPair.fromSecretKey(boxSecretKey),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

/** The libp2p peer id of a raw Ed25519 public key of 32 bytes (https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md). */
export function stackIdOf(publicKey: Uint8Array): StackId {
  return base58btc.encode(Buffer.concat([peerIdPrefix, publicKey])).slice(1);
}

/** Whether the text is the id of an Ed25519 key. */
export function isStackId(text: string): boolean {
  return publicKeyIn(text) !== undefined;
}

/** Whether the key that the id contains made the signature; false for anything that isn't an id. */
export function verifyBy(stack: StackId, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.byteLength !== 64 || stack.length > maxIdLength) return false;
  // Exact: signature and hash have fixed lengths, so that no two triples come out at one place.
  const place = stack + createHash('sha256').update(signature).update(message).digest('base64');
  if (verified.delete(place)) {
    verified.add(place);
    return true;
  }
  const publicKey = keyObjectOf(stack);
  if (publicKey === undefined || !verify(null, message, publicKey, signature)) return false;
  if (verified.size >= maxVerified) for (const oldest of verified) if (verified.delete(oldest)) break;
  verified.add(place);
  return true;
}

/**
 * Signatures that were found true: a head comes by gossip, by a pull and as evidence, and hashing it costs a fiftieth of
 * verifying it. One head of each stack of a large mesh, and its certificates; 200 bytes each. The longest unused goes first.
 */
const maxVerified = 4_096;
const verified = new Set<string>();

/** DER around a raw key (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
/** Identity multihash of 36 bytes: protobuf with key type 1 (Ed25519) and 32 bytes of data. */
const peerIdPrefix = Buffer.from('002408011220', 'hex');
/** An id has 52 characters; what is much longer isn't decoded. */
const maxIdLength = 64;
/** Parsed keys that are kept: more than the stacks of a mesh, 1 KB each. */
const maxKeys = 2048;
const keys = new Map<StackId, KeyObject>();

function keyObjectOf(stack: StackId): KeyObject | undefined {
  const known = keys.get(stack);
  if (known) return known;
  const raw = publicKeyIn(stack);
  if (!raw) return undefined;
  const made = createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
  if (keys.size >= maxKeys) keys.clear();
  keys.set(stack, made);
  return made;
}

/** The raw Ed25519 key, 32 bytes, that an id contains; undefined for anything that isn't an id. */
export function publicKeyIn(stack: StackId): Uint8Array | undefined {
  if (stack.length > maxIdLength) return undefined;
  try {
    const bytes = base58btc.decode(`z${stack}`);
    const prefix = bytes.subarray(0, peerIdPrefix.byteLength);
    const rest = bytes.subarray(peerIdPrefix.byteLength);
    return rest.byteLength === 32 && Buffer.compare(prefix, peerIdPrefix) === 0 ? rest : undefined;
  } catch {
    return undefined;
  }
}

function parseIdentity(target: string, text: string): Identity {
  try {
    const parsed = identityFile.parse(JSON.parse(text));
    const identity = makeIdentity(Buffer.from(parsed.seed, 'base64'), Buffer.from(parsed.boxSecretKey, 'base64'));
    if (identity.stack === parsed.stack) return identity;
    throw new Error(`the key belongs to "${identity.stack}" and the file names "${parsed.stack}"`);
  } catch (cause) {
    throw new RegistryError(
      'identity-broken',
      `Cannot read the identity "${target}": restore it from a backup, or move it away to become a new stack`,
      { cause },
    );
  }
}

async function writeDurably(target: string, identity: Identity): Promise<void> {
  const body = JSON.stringify({
    version: 1,
    stack: identity.stack,
    seed: Buffer.from(identity.seed).toString('base64'),
    boxSecretKey: Buffer.from(identity.box.secretKey).toString('base64'),
  });
  const draft = `${target}.new`;
  {
    await using handle = await open(draft, 'w', 0o600);
    await handle.writeFile(`${body}\n`);
    await handle.sync();
  }
  await rename(draft, target);
  await using folder = await open(path.dirname(target), 'r');
  await folder.sync();
}
