// How a stack comes into a mesh: the invite token, the join request and its answer, and what an invite is still good for.
import { z } from 'zod';
import { type Identity, isStackId, makeIdentity, verifyBy } from '../identity.ts';
import type { MemberRole } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError, type RegistryErrorCode } from '../registry-error.ts';
import { bytesSchema, fromBytes, toBytes } from '../wire.ts';
import type { Membership } from './membership.ts';
import { concerns, maxStatementBytes, type Statement, stackNameSchema, verifyStatement } from './roster.ts';
import type { RosterStore } from './store.ts';

export const joinProtocol = '/hermesh/join/1.0.0';
/** A stranger may cost this much: one short request. */
export const maxJoinRequestBytes = 4 * 1024;
export const joinTimeoutMs = 5_000;
/** The answer carries the roster as far as it fits; the rest comes with the first exchange of heads. */
export const maxJoinAnswerBytes = 768 * 1024;
const maxAnsweredStatementBytes = 512 * 1024;
/** A token is one line that people paste. */
const maxTokenBytes = 4 * 1024;
/** Inviting is a deed of a moment; an open door of months is forgotten. */
const maxInviteMs = 30 * 24 * 60 * 60 * 1000;
const maxUses = 1_000;
const tokenPrefix = 'hermesh1.';

const stack = z.string().refine(isStackId);
const addresses = z.array(z.string().max(300)).max(16);

const tokenSchema = z.strictObject({
  mesh: z.string().regex(/^[0-9a-f]{64}$/),
  stack,
  addresses,
  secret: bytesSchema(32),
  expiresAt: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  role: z.enum(['member', 'admin', 'viewer']),
});
/** What an invite's one line holds; whoever has the secret may join until it expires or is used up. */
export type InviteToken = z.infer<typeof tokenSchema>;

const requestSchema = z.strictObject({
  mesh: z.string().max(128),
  stack,
  invite: stack,
  name: stackNameSchema,
  /** The zone that the joiner asks for; left out: that of the stack which invited it. */
  zone: stackNameSchema.optional(),
  x25519: bytesSchema(32),
  nonce: bytesSchema(16),
  addresses,
});
const signedRequestSchema = z.tuple([bytesSchema({ maxBytes: maxJoinRequestBytes }), bytesSchema(64)]);

const refusals = [
  'invite-expired',
  'invite-used',
  'invite-unknown',
  'wrong-mesh',
  'name-taken',
  'zone-full',
  'revoked',
  'join-refused',
] as const satisfies readonly RegistryErrorCode[];
type Refusal = (typeof refusals)[number];
const answerSchema = z.union([
  z.strictObject({ code: z.enum(refusals), message: z.string().max(1000) }),
  z.strictObject({ statements: z.array(bytesSchema({ maxBytes: maxStatementBytes })).max(10_000) }),
]);

/** The token as one line. */
export function writeToken(token: InviteToken): string {
  return tokenPrefix + Buffer.from(toBytes(token)).toString('base64url');
}

/** Reads a token; throws `invite-invalid` where it was cut or changed on its way. */
export function readToken(line: string): InviteToken {
  const text = line.trim();
  const packed = text.startsWith(tokenPrefix) ? text.slice(tokenPrefix.length) : '';
  const token = fromBytes(tokenSchema, Buffer.from(packed, 'base64url'), maxTokenBytes);
  if (packed === '' || !token) {
    throw new RegistryError(
      'invite-invalid',
      'Cannot read the invite: copy the whole line that "hermesh invite" printed',
    );
  }
  return token;
}

/** The key that an invite's secret is the seed of; its id is what the gate lets in. */
export function inviteKey(secret: Uint8Array): StackId {
  return makeIdentity(secret, secret).stack;
}

/** Opens invites and answers those who come with one. */
export class Admission {
  readonly #store: RosterStore;
  readonly #membership: Membership;
  readonly #now: () => number;
  readonly #maxZoneMembers: number;

  constructor(store: RosterStore, membership: Membership, now: () => number, maxZoneMembers: number) {
    this.#store = store;
    this.#membership = membership;
    this.#now = now;
    this.#maxZoneMembers = maxZoneMembers;
  }

  /** Stores an invite; throws `not-admin` where this stack may not grant the role, `invite-invalid` beyond its bounds. */
  create(secret: Uint8Array, options: { role: MemberRole; expiresInMs: number; uses: number }): number {
    const { role, expiresInMs, uses } = options;
    this.#membership.requireIssuer(role);
    if (!(expiresInMs > 0 && expiresInMs <= maxInviteMs && Number.isInteger(uses) && uses >= 1 && uses <= maxUses)) {
      throw new RegistryError(
        'invite-invalid',
        'Cannot invite: an invite has 1 to 1000 uses and lasts at most 30 days',
      );
    }
    const expiresAt = Math.floor(this.#now() + expiresInMs);
    this.#store.addInvite(inviteKey(secret), role, uses, expiresAt);
    return expiresAt;
  }

  /**
   * Whether the gate lets this key in. A used up invite stays open until it expires: whoever used it may have lost the
   * answer, and everybody else is told so instead of meeting a closed door.
   */
  isOpen(key: StackId): boolean {
    const invite = this.#store.invite(key);
    return invite !== undefined && invite.expiresAt > this.#now();
  }

  /** Answers a join request that came under the key of an invite; a use and its certificate are one transaction. */
  answer(request: Uint8Array, from: StackId): { readonly answer: Uint8Array; readonly admitted?: Statement } {
    const read = readRequest(request);
    if (!read)
      return { answer: refuse('join-refused', 'the request cannot be read; use the same version on both stacks') };
    const invite = this.#store.invite(from);
    if (!invite || read.invite !== from) return { answer: refuse('invite-unknown', 'ask for a new invite') };
    if (invite.expiresAt <= this.#now()) return { answer: refuse('invite-expired', 'ask for a new invite') };
    const { roster } = this.#membership;
    if (read.mesh !== roster.mesh)
      return { answer: refuse('wrong-mesh', 'the inviting stack is in another mesh now; ask for a new invite') };
    const known = roster.memberships.get(read.stack);
    if (known?.state === 'revoked')
      return {
        answer: refuse('revoked', 'this stack was revoked for ever; move its identity away to join as a new one'),
      };
    const used = this.#store.inviteUse(from, read.stack);
    // The same again is answered the same, and one that left needs a new invite: else one invite would serve for ever.
    if (used !== undefined && known?.state === 'valid') return { answer: this.#grant(read.stack) };
    if (invite.used >= invite.uses || used !== undefined)
      return { answer: refuse('invite-used', 'ask for a new invite, or one with more uses') };
    const claimant = [...roster.memberships.values()].find(
      (member) => member.name === read.name && member.state === 'valid' && member.stack !== read.stack,
    );
    if (claimant) {
      return {
        answer: refuse(
          'name-taken',
          `"${read.name}" is the name of stack "${claimant.stack}"; start with another --name`,
        ),
      };
    }
    const zone = read.zone ?? this.#membership.zone;
    if (this.#isFull(zone, read.stack)) {
      return {
        answer: refuse(
          'zone-full',
          `the zone "${zone}" has ${this.#maxZoneMembers} stacks, which is all it may; start with --zone and another name`,
        ),
      };
    }
    try {
      const admitted = this.#store.database.transaction(() => {
        const { stack: joiner, name, x25519 } = read;
        const role = invite.role as MemberRole;
        const certificate = this.#membership.certify({ stack: joiner, name, zone, role, x25519 });
        this.#store.addInviteUse(from, read.stack, certificate.id);
        this.#store.setAddresses(read.stack, read.addresses);
        return certificate;
      });
      return { answer: this.#grant(read.stack), admitted };
    } catch (error) {
      this.#membership.reload();
      if (!(error instanceof RegistryError)) throw error;
      return { answer: refuse('join-refused', 'the inviting stack is no longer an admin; ask another one') };
    }
  }

  /** Admins that admit at once may pass the limit by as many: it bounds what replication costs, and isn't a right. */
  #isFull(zone: string, joiner: StackId): boolean {
    let count = 0;
    for (const { stack: member, zone: at } of this.#membership.roster.memberships.values()) {
      if (at === zone && member !== joiner && this.#membership.valid(member)) count += 1;
    }
    return count >= this.#maxZoneMembers;
  }

  /** What the joiner needs to check its certificate comes first, then as much of the roster as fits. */
  #grant(joiner: StackId): Uint8Array {
    const rank = ({ payload, signer }: Statement): number => {
      if (payload.type === 'root') return 0;
      if (payload.type !== 'certificate') return 2;
      return payload.stack === joiner || payload.role === 'admin' ? 1 : signer === joiner ? 1 : 3;
    };
    let size = 0;
    const statements: Uint8Array[] = [];
    for (const { wire } of [...this.#membership.statements].sort((a, b) => rank(a) - rank(b))) {
      size += wire.byteLength;
      if (size > maxAnsweredStatementBytes) break;
      statements.push(wire);
    }
    return toBytes({ statements });
  }
}

/** The request that asks for a certificate, signed by the joiner's own key. */
export function makeJoinRequest(
  identity: Identity,
  token: InviteToken,
  facts: {
    readonly name: string;
    readonly zone?: string;
    readonly addresses: readonly string[];
    readonly nonce: Uint8Array;
  },
): Uint8Array {
  const body = toBytes({
    mesh: token.mesh,
    stack: identity.stack,
    invite: inviteKey(token.secret),
    name: facts.name,
    ...(facts.zone ? { zone: facts.zone } : {}),
    x25519: identity.box.publicKey,
    nonce: new Uint8Array(facts.nonce),
    addresses: facts.addresses.slice(0, 16),
  });
  return toBytes([body, identity.sign(signedMessage(body))]);
}

/** The statements that an answer grants, all of that mesh; throws the refusal, or `join-refused` where it is malformed. */
export function readJoinAnswer(answer: Uint8Array, mesh: string): readonly Statement[] {
  const read = fromBytes(answerSchema, answer, maxJoinAnswerBytes);
  if (!read) throw new RegistryError('join-refused', 'Cannot join: the inviting stack answered what cannot be read');
  if ('code' in read) throw new RegistryError(read.code, `Cannot join: ${read.message}`);
  const statements = read.statements.flatMap((wire) => verifyStatement(wire) ?? []);
  if (statements.length !== read.statements.length || !statements.every((statement) => concerns(statement, mesh))) {
    throw new RegistryError(
      'wrong-mesh',
      'Cannot join: the inviting stack answered for another mesh than the invite names',
    );
  }
  return statements;
}

const requestDomain = Buffer.from('hermesh/join/1\0');

function signedMessage(body: Uint8Array): Uint8Array {
  return Buffer.concat([requestDomain, body]);
}

function readRequest(wire: Uint8Array): z.infer<typeof requestSchema> | undefined {
  const parts = fromBytes(signedRequestSchema, wire, maxJoinRequestBytes);
  const request = parts && fromBytes(requestSchema, parts[0], maxJoinRequestBytes);
  return parts && request && verifyBy(request.stack, signedMessage(parts[0]), parts[1]) ? request : undefined;
}

function refuse(code: Refusal, mend: string): Uint8Array {
  return toBytes({ code, message: mend });
}
