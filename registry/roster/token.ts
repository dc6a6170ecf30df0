// The invite token: what its one line holds, and how a line that was cut or changed on its way is told.
import { z } from 'zod';
import { isStackId, makeIdentity } from '../identity.ts';
import { memberRoles } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { bytesSchema, fromBytes, sameBytes, sha256, toBytes } from '../wire.ts';

/** A token is one line that people paste. */
const maxTokenBytes = 4 * 1024;
/** What is looked at of a line: a token in base64, with room for breaks. */
const maxLineLength = 2 * maxTokenBytes;
const tokenPrefix = 'hermesh1.';
/** Bytes of SHA-256 at the end of a token: one in four billion slips goes unnoticed. */
const checksumBytes = 4;

const tokenSchema = z.strictObject({
  mesh: z.string().regex(/^[0-9a-f]{64}$/),
  stack: z.string().refine(isStackId),
  addresses: z.array(z.string().max(300)).max(16),
  secret: bytesSchema(32),
  expiresAt: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  role: z.enum(memberRoles),
});
/** What an invite's one line holds; whoever has the secret may join until it expires or is used up. */
export type InviteToken = z.infer<typeof tokenSchema>;

/** The token as one line. */
export function writeToken(token: InviteToken): string {
  const bytes = toBytes(token);
  return tokenPrefix + Buffer.concat([bytes, checksumOf(bytes)]).toString('base64url');
}

/** Reads a token, with spaces and line breaks that a paste may bring; throws `invite-invalid` where it was cut or changed on its way. */
export function readToken(line: string): InviteToken {
  const text = line.slice(0, maxLineLength).replace(/\s+/g, '');
  if (!text.startsWith(tokenPrefix)) {
    throw new RegistryError(
      'invite-invalid',
      `Cannot read the invite: it does not begin with "${tokenPrefix}"; copy the whole line that "hermesh invite" printed`,
    );
  }
  const packed = Buffer.from(text.slice(tokenPrefix.length), 'base64url');
  const bytes = packed.subarray(0, -checksumBytes);
  if (!sameBytes(packed.subarray(-checksumBytes), checksumOf(bytes))) {
    throw new RegistryError(
      'invite-invalid',
      'Cannot read the invite: some of its characters are missing or changed; copy the whole line that "hermesh invite" printed',
    );
  }
  const token = fromBytes(tokenSchema, bytes, maxTokenBytes);
  if (token) return token;
  throw new RegistryError(
    'invite-invalid',
    'Cannot read the invite: it was made by another version of Hermesh; use the same one on both stacks',
  );
}

/** The key that an invite's secret is the seed of; its id is what the gate lets in. */
export function inviteKey(secret: Uint8Array): StackId {
  return makeIdentity(secret, secret).stack;
}

function checksumOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, checksumBytes);
}
