// Keeps the roster of the mesh this stack is in: its stored statements, what they come to, and the own ones that are added.
import type { Identity } from '../identity.ts';
import type { MemberRole } from '../kind.ts';
import type { StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import type { SignedRoot } from './roots.ts';
import { extendRoster, type Membership as Member, type Roster, readRoster, rightfulIn } from './roster.ts';
import {
  certificateMs,
  makeStatement,
  maxAdmins,
  type Payload,
  type Root,
  rootHash,
  type Statement,
  verifyStatement,
} from './statement.ts';
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
  readonly #requireClock: () => void;
  #statements: readonly Statement[];
  #roster: Roster;
  /** What `near` came to, for that roster and that span of time. */
  #near: { readonly roster?: Roster; readonly from: number; readonly until: number; readonly stacks: StackId[] } = {
    from: 0,
    until: 0,
    stacks: [],
  };

  /** Reads what is stored; `found` must follow where nothing is. `requireClock` throws where nothing that expires may be signed. */
  constructor(store: RosterStore, identity: Identity, now: () => number, requireClock: () => void = () => undefined) {
    this.#store = store;
    this.#identity = identity;
    this.#now = now;
    this.#requireClock = requireClock;
    this.#statements = store.statements().flatMap((wire) => verifyStatement(wire) ?? []);
    this.#roster = readRoster(store.setting('mesh') ?? '', this.#statements);
  }

  /** This stack. */
  get self(): StackId {
    return this.#identity.stack;
  }

  get roster(): Roster {
    return this.#roster;
  }

  get statements(): readonly Statement[] {
    return this.#statements;
  }

  /** Whether this stack founded the mesh it is in. */
  get foundedHere(): boolean {
    return this.#statements.some(
      ({ payload, signer }) => payload.type === 'root' && payload.version === 1 && signer === this.#identity.stack,
    );
  }

  /** The zone of this stack. */
  get zone(): string {
    return this.#roster.memberships.get(this.#identity.stack)?.zone ?? '';
  }

  /** Whether a stack is a member of the own zone, with which everything is replicated. */
  isNear(stack: StackId): boolean {
    return this.valid(stack)?.zone === this.zone;
  }

  /** The stacks of the own zone whose certificates are valid now, this one too where it is: computed once while that stays so. */
  near(): readonly StackId[] {
    const now = this.#now();
    const roster = this.#roster;
    if (this.#near.roster === roster && now >= this.#near.from && now < this.#near.until) return this.#near.stacks;
    const { zone } = this;
    const standing = [...roster.memberships.values()].filter((each) => each.state === 'valid' && each.zone === zone);
    const over = standing.filter(({ notAfter }) => notAfter <= now);
    const valid = standing.filter(({ notAfter }) => notAfter > now);
    const from = over.reduce((last, { notAfter }) => Math.max(last, notAfter), Number.NEGATIVE_INFINITY);
    const until = valid.reduce((next, { notAfter }) => Math.min(next, notAfter), Number.POSITIVE_INFINITY);
    this.#near = { roster, from, until, stacks: valid.map(({ stack }) => stack) };
    return this.#near.stacks;
  }

  /** The membership of a stack whose certificate stands and hasn't run out. */
  valid(stack: StackId): Member | undefined {
    const member = this.#roster.memberships.get(stack);
    return member?.state === 'valid' && member.notAfter > this.#now() ? member : undefined;
  }

  /** Whether a stack whose certificate ran out may ask here for a new one, or, as a founder, show one that it made. */
  mayRenew(stack: StackId): boolean {
    const member = this.#roster.memberships.get(stack);
    if (member?.state !== 'valid') return false;
    return this.#roster.isFounder(stack) || this.#roster.mayIssue(this.#identity.stack, member.role, this.#now());
  }

  /** Adds statements that have effect, in a transaction of their own where none is open; returns those that were new. */
  add(wires: readonly Uint8Array[]): readonly Statement[] {
    const verified = wires.flatMap((wire) => verifyStatement(wire) ?? []);
    const fresh = rightfulIn(this.#roster, this.#statements, verified);
    if (fresh.length === 0) return fresh;
    const all = [...this.#statements, ...fresh];
    this.#keep(extendRoster(this.#roster, fresh, all), all, fresh);
    return fresh;
  }

  /** Stacks whose role or membership these statements may have changed. */
  touched(statements: readonly Statement[]): ReadonlySet<StackId> {
    const admins = this.#roster.roots.flatMap(({ root }) => root.admins);
    return new Set(
      statements.flatMap(({ payload }) =>
        payload.type === 'root' ? admins : payload.type === 'certificate' ? [payload.stack] : [],
      ),
    );
  }

  /** Founds a mesh with this stack as its only admin, in the open transaction; what was before is forgotten. */
  found(name: string, nonce: Uint8Array, zone = ''): void {
    const createdAt = Math.floor(this.#now());
    const payload: Root = {
      type: 'root',
      version: 1,
      admins: [this.#identity.stack],
      threshold: 1,
      nonce: new Uint8Array(nonce),
      createdAt,
    };
    const mesh = rootHash(payload);
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
    this.#keep(readRoster(mesh, statements), statements, statements);
  }

  /** Issues a certificate; throws `not-admin` where this stack may not, `clock-off` where its clock is wrong. */
  certify(member: Certified): Statement {
    this.requireIssuer(member.role);
    this.#requireClock();
    const statement = this.#certify(this.#roster.mesh, member);
    this.add([statement.wire]);
    return statement;
  }

  /** Whether two thirds of a certificate are over, or all of it. */
  isDue(stack: StackId): boolean {
    const member = this.#roster.memberships.get(stack);
    return member?.state === 'valid' && member.notAfter - this.#now() <= certificateMs / 3;
  }

  /**
   * Renews a founder's own certificate once two thirds of it are over, and after it ran out too: its place in the root is its
   * right. Others can't certify themselves. Throws `clock-off`.
   */
  renewOwn(): readonly Statement[] {
    const own = this.#roster.memberships.get(this.#identity.stack);
    if (!own || !this.isDue(own.stack) || !this.#roster.isFounder(own.stack)) return [];
    this.#requireClock();
    return this.add([this.#certify(this.#roster.mesh, own).wire]);
  }

  /**
   * Signs the root that is to follow the newest, with these admins: one that another founder proposed with the same admins
   * and threshold, else a new one. Throws `not-admin`, `unknown-stack` or `root-invalid`.
   */
  proposeRoot(admins: readonly StackId[], threshold: number, nonce: Uint8Array): readonly Statement[] {
    this.#requireFounder();
    const sorted = [...new Set(admins)].sort();
    const stranger = sorted.find((stack) => !this.valid(stack));
    if (stranger !== undefined) {
      throw new RegistryError(
        'unknown-stack',
        `Cannot make "${stranger}" an admin: it isn't a member of this mesh now`,
      );
    }
    if (sorted.length === 0 || sorted.length > maxAdmins || !(threshold >= 1 && threshold <= sorted.length)) {
      throw new RegistryError(
        'root-invalid',
        `Cannot make a root of ${sorted.length} admins and the threshold ${threshold}: it has 1 to ${maxAdmins} admins, and a threshold of 1 to as many`,
      );
    }
    const same = this.#roster.proposals.find(
      ({ root }) => root.threshold === threshold && JSON.stringify(root.admins) === JSON.stringify(sorted),
    );
    if (same) return this.#signRoot(same.root);
    const newest = this.#roster.roots.at(-1) as SignedRoot;
    if (
      newest.root.threshold === threshold &&
      JSON.stringify([...newest.root.admins].sort()) === JSON.stringify(sorted)
    ) {
      throw new RegistryError('root-invalid', 'Cannot make another root: the newest says the same');
    }
    return this.#signRoot({
      type: 'root',
      version: newest.root.version + 1,
      mesh: this.#roster.mesh,
      previous: newest.hash,
      admins: sorted,
      threshold,
      nonce: new Uint8Array(nonce),
      createdAt: Math.max(Math.floor(this.#now()), newest.root.createdAt),
    });
  }

  /** Adds this stack's signature to the root that waits for some; throws `not-admin` or `root-invalid`. */
  approveRoot(): readonly Statement[] {
    this.#requireFounder();
    const [only, ...others] = this.#roster.proposals;
    if (only && others.length === 0) return this.#signRoot(only.root);
    throw new RegistryError(
      'root-invalid',
      only
        ? `Cannot tell which of ${others.length + 1} proposed roots is meant: name its admins and threshold`
        : 'Cannot approve a root: none is proposed here; on another admin: hermesh mesh root rotate --admins NAMES',
    );
  }

  /** Takes the feed of a quarantined stack again from the epoch after that counter on; throws `not-admin` or `unknown-stack`. */
  pardon(stack: StackId, counter: number): readonly Statement[] {
    this.requireIssuer(this.#roster.isFounder(stack) || stack === this.#identity.stack ? 'admin' : 'member');
    if (!this.#roster.memberships.has(stack)) {
      throw new RegistryError('unknown-stack', `Cannot pardon "${stack}": it isn't in the roster of this mesh`);
    }
    const payload: Payload = { type: 'pardon', mesh: this.#roster.mesh, stack, counter, at: Math.floor(this.#now()) };
    return this.add([makeStatement(payload, this.#identity).wire]);
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
    const payload: Payload = {
      type: 'revocation',
      mesh: this.#roster.mesh,
      stack,
      at: Math.floor(this.#now()),
      survivors,
    };
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
    const payload: Payload = { type: 'leave', mesh: this.#roster.mesh, certificates, at: Math.floor(this.#now()) };
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

  /** Throws `clock-off` where this stack may sign nothing that expires. */
  requireClock(): void {
    this.#requireClock();
  }

  #requireFounder(): void {
    if (this.#roster.isFounder(this.#identity.stack) && this.valid(this.#identity.stack)) return;
    throw new RegistryError(
      'not-admin',
      "Cannot sign a root: this stack isn't an admin of the newest root; hermesh mesh root export names who is",
    );
  }

  #signRoot(root: Root): readonly Statement[] {
    return this.add([makeStatement(root, this.#identity).wire]);
  }

  #certify(mesh: string, { stack, name, zone, role, x25519 }: Certified): Statement {
    const now = Math.floor(this.#now());
    const dates = { notBefore: Math.max(0, now - backdatedMs), notAfter: now + certificateMs };
    const where = zone === '' ? {} : { zone };
    return makeStatement(
      { type: 'certificate', mesh, stack, name, ...where, role, x25519: new Uint8Array(x25519), ...dates },
      this.#identity,
    );
  }

  #keep(roster: Roster, all: readonly Statement[], fresh: readonly Statement[]): void {
    const before = { mesh: this.#roster.mesh, statements: this.#statements };
    // Seen at once by what runs in the same transaction; taken back with it.
    this.#statements = all;
    this.#roster = roster;
    try {
      this.#store.database.transaction(() => {
        for (const { id, wire } of fresh) this.#store.addStatement(id, wire);
      });
    } catch (error) {
      this.#statements = before.statements;
      this.#roster = readRoster(before.mesh, before.statements);
      throw error;
    }
  }

  /** Reads anew what is stored, after a transaction was rolled back. */
  reload(): void {
    this.#statements = this.#store.statements().flatMap((wire) => verifyStatement(wire) ?? []);
    this.#roster = readRoster(this.#store.setting('mesh') ?? '', this.#statements);
  }
}
