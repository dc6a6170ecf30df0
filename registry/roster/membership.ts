// Keeps the roster of the mesh this stack is in: its stored statements, what they come to, and the own ones that are added.
import type { Identity } from '../identity.ts';
import type { MemberRole } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import {
  certificateMs,
  type Membership as Member,
  makeStatement,
  meshOf,
  type Payload,
  type Roster,
  readRoster,
  rightful,
  type Statement,
  verifyStatement,
} from './roster.ts';
import type { RosterStore } from './store.ts';

/** A certificate begins this much earlier, so that a stack whose clock is a little behind takes it. */
const backdatedMs = 5 * 60 * 1000;

/** Certificates that one leave names: those of more than two years of renewals, and older ones ran out. */
const maxLeftCertificates = 16;

/** What a certificate says of a stack. */
export type Certified = Pick<Member, 'stack' | 'name' | 'zone' | 'role' | 'x25519'>;

export class Membership {
  readonly #store: RosterStore;
  readonly #identity: Identity;
  readonly #now: () => number;
  #statements: readonly Statement[];
  #roster: Roster;

  /** Reads what is stored; `found` must follow where nothing is. */
  constructor(store: RosterStore, identity: Identity, now: () => number) {
    this.#store = store;
    this.#identity = identity;
    this.#now = now;
    this.#statements = store.statements().flatMap((wire) => verifyStatement(wire) ?? []);
    this.#roster = readRoster(store.setting('mesh') ?? '', this.#statements);
  }

  get roster(): Roster {
    return this.#roster;
  }

  get statements(): readonly Statement[] {
    return this.#statements;
  }

  /** Whether this stack founded the mesh it is in. */
  get foundedHere(): boolean {
    return this.#statements.some(({ payload, signer }) => payload.type === 'root' && signer === this.#identity.stack);
  }

  /** The zone of this stack. */
  get zone(): string {
    return this.#roster.memberships.get(this.#identity.stack)?.zone ?? '';
  }

  /** The membership of a stack whose certificate stands and hasn't run out. */
  valid(stack: StackId): Member | undefined {
    const member = this.#roster.memberships.get(stack);
    return member?.state === 'valid' && member.notAfter > this.#now() ? member : undefined;
  }

  /** Whether a stack is a member of the own zone, with which everything is replicated. */
  isNear(stack: StackId): boolean {
    return this.valid(stack)?.zone === this.zone;
  }

  /** Adds statements that have effect, in a transaction of their own where none is open; returns those that were new. */
  add(wires: readonly Uint8Array[]): readonly Statement[] {
    const known = new Set(this.#statements.map((statement) => statement.id));
    const verified = wires.flatMap((wire) => verifyStatement(wire) ?? []).filter(({ id }) => !known.has(id));
    const fresh = rightful(this.#roster.mesh, this.#statements, verified);
    if (fresh.length > 0) this.#keep(this.#roster.mesh, [...this.#statements, ...fresh], fresh);
    return fresh;
  }

  /** Founds a mesh with this stack as its only admin, in the open transaction; what was before is forgotten. */
  found(name: string, nonce: Uint8Array, zone = ''): void {
    const createdAt = this.#now();
    const payload: Payload = {
      type: 'root',
      version: 1,
      admins: [this.#identity.stack],
      threshold: 1,
      nonce: new Uint8Array(nonce),
      createdAt,
    };
    const mesh = meshOf(payload);
    const root = makeStatement(payload, this.#identity);
    const own = {
      stack: this.#identity.stack,
      name,
      zone,
      role: 'admin',
      x25519: this.#identity.box.publicKey,
    } as const;
    this.enter(mesh, [root, this.#certify(mesh, own)]);
  }

  /** Takes the statements of another mesh in place of the own ones, in the open transaction. */
  enter(mesh: string, statements: readonly Statement[]): void {
    this.#store.dropMembership();
    this.#store.setSetting('mesh', mesh);
    this.#keep(mesh, statements, statements);
  }

  /** Issues a certificate; throws `not-admin` where this stack may not. */
  certify(member: Certified): Statement {
    this.requireIssuer(member.role);
    const statement = this.#certify(this.#roster.mesh, member);
    this.add([statement.wire]);
    return statement;
  }

  /**
   * Renews a founder's own certificate once two thirds of it are over, and after it ran out too: the key that made the
   * mesh is its right. Others can't certify themselves.
   */
  renewOwn(): readonly Statement[] {
    const own = this.#roster.memberships.get(this.#identity.stack);
    if (own?.state !== 'valid' || own.notAfter - this.#now() > certificateMs / 3 || !this.foundedHere) return [];
    return this.add([this.#certify(this.#roster.mesh, own).wire]);
  }

  /** Revokes a stack for ever; throws `not-admin` (for a founder, too, only founders may) or `unknown-stack`. */
  revoke(stack: StackId): readonly Statement[] {
    this.requireIssuer(this.#roster.isFounder(stack) ? 'admin' : 'member');
    if (!this.#roster.memberships.has(stack)) {
      throw new RegistryError('unknown-stack', `Cannot revoke "${stack}": it isn't in the roster of this mesh`);
    }
    // What the revoked stack granted before stays: each of those was admitted in good faith and can be revoked by name.
    const survivors = this.#statements
      .filter(({ payload, signer }) => payload.type === 'certificate' && signer === stack && payload.stack !== stack)
      .map(({ id }) => id)
      .slice(0, 100);
    const payload: Payload = { type: 'revocation', mesh: this.#roster.mesh, stack, at: this.#now(), survivors };
    return this.add([makeStatement(payload, this.#identity).wire]);
  }

  /** Gives up the own certificates: the one that stands, and others that would stand without it. */
  leave(): readonly Statement[] {
    const certificates = this.#statements
      .flatMap(({ payload, id }) =>
        payload.type === 'certificate' && payload.stack === this.#identity.stack ? [{ id, ...payload }] : [],
      )
      .sort((a, b) => b.notAfter - a.notAfter)
      .map(({ id }) => id)
      .slice(0, maxLeftCertificates);
    const payload: Payload = { type: 'leave', mesh: this.#roster.mesh, certificates, at: this.#now() };
    return this.add([makeStatement(payload, this.#identity).wire]);
  }

  /** Throws `not-admin` where this stack may not grant that role. */
  requireIssuer(role: MemberRole): void {
    if (this.#roster.mayIssue(this.#identity.stack, role, this.#now())) return;
    throw new RegistryError(
      'not-admin',
      `Cannot grant or revoke the role "${role}" from here: this stack isn't an admin that may; ask a founder of the mesh`,
    );
  }

  #certify(mesh: string, { stack, name, zone, role, x25519 }: Certified): Statement {
    const now = this.#now();
    const dates = { notBefore: Math.max(0, now - backdatedMs), notAfter: now + certificateMs };
    const where = zone === '' ? {} : { zone };
    return makeStatement(
      { type: 'certificate', mesh, stack, name, ...where, role, x25519: new Uint8Array(x25519), ...dates },
      this.#identity,
    );
  }

  #keep(mesh: string, all: readonly Statement[], fresh: readonly Statement[]): void {
    const before = { statements: this.#statements, roster: this.#roster };
    const roster = readRoster(mesh, all);
    // Seen at once by what runs in the same transaction; taken back with it.
    this.#statements = all;
    this.#roster = roster;
    try {
      this.#store.database.transaction(() => {
        for (const { id, wire } of fresh) this.#store.addStatement(id, wire);
      });
    } catch (error) {
      this.#statements = before.statements;
      this.#roster = before.roster;
      throw error;
    }
  }

  /** Reads anew what is stored, after a transaction was rolled back. */
  reload(): void {
    this.#statements = this.#store.statements().flatMap((wire) => verifyStatement(wire) ?? []);
    this.#roster = readRoster(this.#store.setting('mesh') ?? '', this.#statements);
  }
}
