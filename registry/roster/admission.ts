// How a stack comes into a mesh: the join request and its answer, and what an invite is still good for.
import { z } from 'zod';
import { type Identity, isStackId, verifyBy } from '../identity.ts';
import { type MemberRole, memberRoles } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError, type RegistryErrorCode } from '../registry-error.ts';
import { bytesSchema, fromBytes, fromSignedBytes, toBytes } from '../wire.ts';
import type { Membership } from './membership.ts';
import { concerns, maxStatementBytes, type Statement, stackNameSchema, verifyStatement } from './statement.ts';
import type { InviteRow, RosterStore } from './store.ts';
import { type InviteToken, inviteKey } from './token.ts';

export const joinProtocol = '/hermesh/join/1.0.0';
/** A stranger may cost this much: one short request. */
export const maxJoinRequestBytes = 4 * 1024;
export const joinTimeoutMs = 5_000;
/** The answer carries the roster as far as it fits; the rest comes with the first exchange of heads. */
export const maxJoinAnswerBytes = 768 * 1024;
const maxAnsweredStatementBytes = 512 * 1024;
/** Inviting is a deed of a moment; an open door of months is forgotten. */
const maxInviteMs = 30 * 24 * 60 * 60 * 1000;
const maxUses = 1_000;
const stack = z.string().refine(isStackId);
const addresses = z.array(z.string().max(300)).max(16);

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
  /** Asks what would be answered, and uses nothing up. */
  probe: z.literal(true).optional(),
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
  'version-mismatch',
  'clock-off',
] as const satisfies readonly RegistryErrorCode[];
type Refusal = (typeof refusals)[number];
const answerSchema = z.union([
  z.strictObject({ code: z.enum(refusals), message: z.string().max(1000) }),
  z.strictObject({ statements: z.array(bytesSchema({ maxBytes: maxStatementBytes })).max(10_000) }),
  z.strictObject({ role: z.enum(memberRoles), usesLeft: z.int().min(0), now: z.int().min(0) }),
]);
/** What a probe learns: the invite would let this stack in as it is now. */
export interface Welcome {
  readonly role: MemberRole;
  /** Stacks that may still join with the invite. */
  readonly usesLeft: number;
  /** The inviting stack's time of the mesh, in milliseconds since 1970. */
  readonly now: number;
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

  /** Stores an invite; throws `not-admin` where this stack may not grant the role, `invite-invalid` beyond its bounds, `clock-off`. */
  create(secret: Uint8Array, options: { role: MemberRole; expiresInMs: number; uses: number }): number {
    const { role, expiresInMs, uses } = options;
    this.#membership.requireIssuer(role);
    this.#membership.requireClock();
    if (!(expiresInMs > 0 && expiresInMs <= maxInviteMs && Number.isInteger(uses) && uses >= 1 && uses <= maxUses)) {
      throw new RegistryError(
        'invite-invalid',
        'Cannot invite: an invite has 1 to 1000 uses and lasts at most 30 days',
      );
    }
    const expiresAt = Math.floor(this.#now() + expiresInMs);
    this.#store.dropInvitesUntil(this.#now());
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
  answer(
    request: Uint8Array,
    from: StackId,
  ): { readonly answer: Uint8Array; readonly admitted?: Statement; readonly isJunk?: boolean } {
    const read = readRequest(request);
    if (!read)
      return {
        isJunk: true,
        answer: refuse('version-mismatch', 'the request cannot be read there; use the same version on both stacks'),
      };
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
    const isIn = used !== undefined && known?.state === 'valid';
    if (isIn && !read.probe) return { answer: this.#grant(read.stack) };
    if (!isIn && (invite.used >= invite.uses || used !== undefined))
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
    if (read.probe) return { answer: this.#welcome(invite) };
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
      if (error.code === 'clock-off')
        return {
          answer: refuse('clock-off', 'the clock of the inviting stack is wrong; set it, or ask another admin'),
        };
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

  #welcome({ role, uses, used }: InviteRow): Uint8Array {
    try {
      this.#membership.requireIssuer(role as MemberRole);
      this.#membership.requireClock();
    } catch {
      return refuse('join-refused', 'the inviting stack may not admit anybody now: see "hermesh doctor" there');
    }
    return toBytes({ role, usesLeft: uses - used, now: Math.floor(this.#now()) });
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
    readonly probe?: boolean;
  },
): Uint8Array {
  const body = toBytes({
    mesh: token.mesh,
    stack: identity.stack,
    invite: inviteKey(token.secret),
    name: facts.name,
    ...(facts.zone && { zone: facts.zone }),
    x25519: identity.box.publicKey,
    nonce: new Uint8Array(facts.nonce),
    addresses: facts.addresses.slice(0, 16),
    ...(facts.probe && { probe: true }),
  });
  return toBytes([body, identity.sign(signedMessage(body))]);
}

/** The statements that an answer grants, all of that mesh; throws the refusal, or `join-refused` where it is malformed. */
export function readJoinAnswer(answer: Uint8Array, mesh: string): readonly Statement[] {
  const read = readAnswer(answer);
  if (!('statements' in read)) throw unreadable();
  const statements = read.statements.flatMap((wire) => verifyStatement(wire) ?? []);
  if (statements.length !== read.statements.length || !statements.every((statement) => concerns(statement, mesh))) {
    throw new RegistryError(
      'wrong-mesh',
      'Cannot join: the inviting stack answered for another mesh than the invite names',
    );
  }
  return statements;
}

/** What a probe was answered; throws the refusal that joining would meet. */
export function readWelcome(answer: Uint8Array): Welcome {
  const read = readAnswer(answer);
  if ('role' in read) return read;
  throw unreadable();
}

function readAnswer(answer: Uint8Array): Exclude<z.infer<typeof answerSchema>, { code: unknown }> {
  const read = fromBytes(answerSchema, answer, maxJoinAnswerBytes);
  if (!read) throw unreadable();
  if ('code' in read) throw new RegistryError(read.code, `Cannot join: ${read.message}`);
  return read;
}

function unreadable(): RegistryError {
  return new RegistryError(
    'version-mismatch',
    'Cannot join: the inviting stack answered what cannot be read; use the same version on both stacks',
  );
}

const requestDomain = Buffer.from('hermesh/join/1\0');

function signedMessage(body: Uint8Array): Uint8Array {
  return Buffer.concat([requestDomain, body]);
}

function readRequest(wire: Uint8Array): z.infer<typeof requestSchema> | undefined {
  const parts = fromBytes(signedRequestSchema, wire, maxJoinRequestBytes);
  const request = parts && fromSignedBytes(requestSchema, parts[0], maxJoinRequestBytes);
  return parts && request && verifyBy(request.stack, signedMessage(parts[0]), parts[1]) ? request : undefined;
}

function refuse(code: Refusal, mend: string): Uint8Array {
  return toBytes({ code, message: mend });
}
