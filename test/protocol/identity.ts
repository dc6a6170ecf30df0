// This room alone knows stack ids, hashes and signatures (docs/protocol.md, section 1), and the names and texts made of them.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { insist } from './refusal.ts';
import { list, matching, type Shape, text } from './shape.ts';

const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const spki = Buffer.from('302a300506032b6570032100', 'hex');
const base = 58n;

/** What is signed, and the domain that stands before it. */
export const domains = {
  head: 'hermesh/head/1\0',
  statement: 'hermesh/statement/1\0',
  join: 'hermesh/join/1\0',
  beat: 'hermesh/beat/1\0',
  suspicion: 'hermesh/suspicion/1\0',
} as const;
/** One of the things that are signed. */
export type Signed = keyof typeof domains;

/** SHA-256 over the parts one after another; texts as UTF-8. */
export function sha256(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** Lower-case hexadecimal digits of bytes. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Bytes of hexadecimal digits. */
export function unhex(digitsOfBytes: string): Uint8Array {
  return new Uint8Array(Buffer.from(digitsOfBytes, 'hex'));
}

/** The id of the stack with that Ed25519 public key (32 bytes). */
export function stackIdOf(publicKey: Uint8Array): string {
  let number = BigInt(`0x${hex(prefix)}${hex(publicKey)}`);
  let id = '';
  for (; number > 0n; number /= base) id = digits.charAt(Number(number % base)) + id;
  return `1${id}`;
}

/** The public key (32 bytes) in a stack id; refuses what is no id. */
export function publicKeyOf(id: string): Uint8Array {
  insist(id.length === 52 && id.startsWith('12D3KooW'), 'id', 'no stack id by its length or beginning');
  let number = 0n;
  for (const digit of id) {
    const value = digits.indexOf(digit);
    insist(value >= 0, 'id', 'a digit that base58 has not');
    number = number * base + BigInt(value);
  }
  const all = unhex(number.toString(16).padStart(76, '0'));
  insist(all.length === 38 && prefix.every((byte, index) => all[index] === byte), 'id', 'no Ed25519 key');
  return all.slice(prefix.length);
}

/** The stack id of an Ed25519 seed (32 bytes). */
export function stackIdOfSeed(seed: Uint8Array): string {
  const spkiBytes = createPublicKey(privateKeyOf(seed)).export({ format: 'der', type: 'spki' });
  return stackIdOf(new Uint8Array(spkiBytes.subarray(spki.length)));
}

/** Signs `domain || body` with a seed. */
export function signAs(seed: Uint8Array, what: Signed, body: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, messageOf(what, body), privateKeyOf(seed)));
}

/** The bytes that a signature is made over. */
export function messageOf(what: Signed, body: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([Buffer.from(domains[what]), body]));
}

/** Refuses a signature that the stack didn't make over that body. */
export function insistSigned(what: Signed, body: Uint8Array, signature: Uint8Array, signer: string): void {
  const key = createPublicKey({ key: Buffer.concat([spki, publicKeyOf(signer)]), format: 'der', type: 'spki' });
  insist(verify(null, messageOf(what, body), key, signature), 'signature', `not signed by ${signer} as ${what}`);
}

/** A stack id within a message. */
export const stackId: Shape<string> = (value, where) => {
  const id = text(1, 64)(value, where);
  publicKeyOf(id);
  return id;
};
/** A hash as a text, the id of a mesh or of a statement. */
export const hashText: Shape<string> = matching(/^[0-9a-f]{64}$/, 'hash');
/** The name of a stack or of a zone. */
export const label: Shape<string> = matching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'name');
/** Addresses of a stack; which of them can be dialled isn't judged here. */
export const addresses: Shape<string[]> = list(text(1, 300), 16);
/** What a stack may be. */
export const roles = ['member', 'builder', 'admin', 'viewer'] as const;

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: 'der', type: 'pkcs8' });
}
