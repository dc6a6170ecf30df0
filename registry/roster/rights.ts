// Who may state what about whom, read from the statements of one mesh; without regard to revocations, so that deny wins.
import type { StackId } from '../network.ts';
import { Roots } from './roots.ts';
import { certificateMs, type Payload, type Statement } from './statement.ts';

/** Statements are read type by type, in this order, and roots by version. */
const typeOrder: readonly Payload['type'][] = ['root', 'certificate', 'revocation', 'pardon', 'leave'];
/** A certificate may begin this much before it is issued; one that lasts longer than both would outdo every later one. */
const maxLifetimeMs = certificateMs + 24 * 60 * 60 * 1000;

/** In the order in which rights follow from one another: an admin's own certificate comes before those that it issued. */
export function inOrder(statements: readonly Statement[]): readonly Statement[] {
  const rank = ({ payload }: Statement): number => {
    if (payload.type === 'root') return payload.version / 10_000;
    return typeOrder.indexOf(payload.type) + (payload.type === 'certificate' && payload.role !== 'admin' ? 0.5 : 0);
  };
  return [...statements].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

/** Counts statements in, in the order of `inOrder`, and says what each signer may state. */
export class Rights {
  readonly roots = new Roots();
  /** Stacks that a founder made admins, by certificate: none of the others may certify them as something else. */
  readonly #appointed = new Map<StackId, Set<string>>();
  readonly #owners = new Map<string, StackId>();
  readonly #left = new Set<string>();
  /** Who gave up certificates that are not known yet: a leave may come before the last of those that it names. */
  readonly #leftUnknown = new Map<string, Set<StackId>>();
  readonly #spared = new Map<StackId, ReadonlySet<string>>();
  /** Who revoked whom. */
  readonly #revokers = new Map<StackId, Set<StackId>>();
  readonly #certified = new Set<StackId>();
  /** By signer, stack and counter. */
  readonly #pardons = new Map<string, { signer: StackId; stack: StackId; counter: number }>();

  /** Certificates that their owners gave up. */
  get left(): ReadonlySet<string> {
    return this.#left;
  }

  /** Revoked stacks, and which certificates of theirs survive. */
  get revoked(): ReadonlyMap<StackId, ReadonlySet<string>> {
    return this.#spared;
  }

  /** Stacks that were pardoned, and up to which counter of their epochs; what a revoked stack pardoned doesn't count. */
  get pardons(): ReadonlyMap<StackId, number> {
    const counters = new Map<StackId, number>();
    for (const { signer, stack, counter } of this.#pardons.values()) {
      if (!this.#spared.has(signer)) counters.set(stack, Math.max(counter, counters.get(stack) ?? 0));
    }
    return counters;
  }

  /** Whether it is an admin of the newest root. */
  isFounder(stack: StackId): boolean {
    return this.roots.founderUntil(stack) === Number.POSITIVE_INFINITY;
  }

  /** Whether a founder's certificate makes it an admin, and it didn't give that up. */
  isAppointed(stack: StackId): boolean {
    return [...(this.#appointed.get(stack) ?? [])].some((each) => !this.#left.has(each));
  }

  add(statement: Statement): void {
    const { payload, signer, id } = statement;
    if (payload.type === 'root') this.roots.add(payload, signer);
    if (payload.type === 'certificate') {
      this.#owners.set(id, payload.stack);
      if (this.#leftUnknown.get(id)?.has(payload.stack)) this.#left.add(id);
      this.#leftUnknown.delete(id);
      this.#certified.add(payload.stack);
      // What a founder certified itself as ends with its place in the root.
      if (payload.role !== 'admin' || signer === payload.stack || !this.allow(statement)) return;
      this.#appointed.set(payload.stack, (this.#appointed.get(payload.stack) ?? new Set()).add(id));
    }
    if (payload.type === 'revocation' && this.allow(statement)) {
      const survivors = this.#spared.get(payload.stack);
      // Of two revocations of one stack only what both spare survives.
      this.#spared.set(payload.stack, new Set(payload.survivors.filter((each) => !survivors || survivors.has(each))));
      this.#revokers.set(payload.stack, (this.#revokers.get(payload.stack) ?? new Set()).add(signer));
    }
    if (payload.type === 'pardon' && this.allow(statement)) {
      const { stack, counter } = payload;
      this.#pardons.set(`${signer} ${stack} ${counter}`, { signer, stack, counter });
    }
    if (payload.type === 'leave') {
      for (const each of payload.certificates) this.#giveUp(each, signer);
    }
  }

  #giveUp(certificate: string, signer: StackId): void {
    const owner = this.#owners.get(certificate);
    if (owner === signer) this.#left.add(certificate);
    if (owner !== undefined) return;
    this.#leftUnknown.set(certificate, (this.#leftUnknown.get(certificate) ?? new Set()).add(signer));
  }

  /**
   * A founder states everything, as long as it stands in the newest root; what it stated before it was taken out of the root
   * stays. A stack that it made an admin states what concerns no founder and makes no admin.
   */
  allow({ payload, signer }: Statement): boolean {
    if (payload.type === 'root') return this.roots.allow(payload, signer);
    if (payload.type === 'leave') return payload.certificates.some((each) => this.#owners.get(each) === signer);
    if (payload.type === 'certificate' && payload.notAfter - payload.notBefore > maxLifetimeMs) return false;
    const at = payload.type === 'certificate' ? payload.notBefore : payload.at;
    if (at < (this.roots.founderUntil(signer) ?? 0)) return true;
    if (!this.#appointed.has(signer) || this.isFounder(payload.stack)) return false;
    if (payload.type === 'revocation') return true;
    if (payload.type === 'pardon') return payload.stack !== signer;
    return payload.role !== 'admin' && !this.isAppointed(payload.stack);
  }

  /**
   * Whether it adds to the set: a leave of what was given up, a second revocation by the same stack that denies nothing
   * more, and one of a stack that never belonged don't. So the set is bounded by the certificates that admins issue.
   */
  isNews({ payload, signer }: Statement): boolean {
    if (payload.type === 'root') return this.roots.isNews(payload, signer);
    if (payload.type === 'leave') {
      return payload.certificates.some((each) => this.#owners.get(each) === signer && !this.#left.has(each));
    }
    if (payload.type === 'certificate') return true;
    if (!this.#certified.has(payload.stack)) return false;
    if (payload.type === 'pardon') return !this.#pardons.has(`${signer} ${payload.stack} ${payload.counter}`);
    const survivors = new Set(payload.survivors);
    const deniesMore = [...(this.#spared.get(payload.stack) ?? [])].some((each) => !survivors.has(each));
    return deniesMore || !this.#revokers.get(payload.stack)?.has(signer);
  }
}

/** The rights that a set of statements gives. */
export function readRights(own: readonly Statement[]): Rights {
  const rights = new Rights();
  for (const each of inOrder(own)) rights.add(each);
  return rights;
}
