// How a certificate is renewed before it runs out, and after: whom a stack asks, how often, and what an admin answers.
import { z } from 'zod';
import { type Clock, within } from '../clock.ts';
import type { Identity } from '../identity.ts';
import type { Log } from '../log.ts';
import type { Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { bytesSchema, fromBytes, toBytes } from '../wire.ts';
import type { Membership } from './membership.ts';
import type { Membership as Member } from './roster.ts';
import { maxStatementBytes, type Statement } from './statement.ts';

export const renewProtocol = '/hermesh/renew/1.0.0';
/** The own certificate of a founder and the roots that make it one, and no more. */
export const maxRenewRequestBytes = 128 * 1024;
export const renewTimeoutMs = 5_000;
const maxRenewAnswerBytes = 256 * 1024;
/** Statements that are shown with a request or its answer: roots with their signatures, and two certificates. */
const maxShown = 64;
/** Admins that are asked in one round. */
const maxAsked = 5;
/** The longest pause between two rounds: a stack whose certificate ran out is let in again this soon after an admin is back. */
const maxPauseMs = 10 * 60 * 1000;

const shown = z.array(bytesSchema({ maxBytes: maxStatementBytes })).max(maxShown);
const requestSchema = z.strictObject({ mesh: z.string().max(64), show: shown });
const answerSchema = z.union([
  z.strictObject({ statements: shown }),
  z.strictObject({ code: z.enum(['not-admin', 'clock-off', 'wrong-mesh', 'revoked']), message: z.string().max(1000) }),
]);

/**
 * Answers a stack that asks for a new certificate of the same name, zone, role and key: the one it has where that isn't due. One
 * that left or was revoked gets none. What it shows (a founder that was away renews itself) is taken where it has effect.
 */
export function answerRenewal(
  membership: Membership,
  request: Uint8Array,
  from: StackId,
): { readonly answer: Uint8Array; readonly stated: readonly Statement[]; readonly isJunk?: boolean } {
  const refuse = (code: string, message: string, stated: readonly Statement[] = []) => ({
    answer: toBytes({ code, message }),
    stated,
  });
  const read = fromBytes(requestSchema, request, maxRenewRequestBytes);
  if (!read) return { ...refuse('wrong-mesh', 'the request cannot be read here'), isJunk: true };
  if (read.mesh !== membership.roster.mesh) return refuse('wrong-mesh', 'this stack is in another mesh');
  const added = membership.add(read.show);
  const member = membership.roster.memberships.get(from);
  if (member?.state !== 'valid') return refuse('revoked', 'your certificate was given up or revoked', added);
  if (!membership.isDue(from)) return { answer: show(membership, from), stated: added };
  try {
    const renewed = membership.certify(member);
    return { answer: show(membership, from), stated: [...added, renewed] };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const code = error.code === 'clock-off' ? 'clock-off' : 'not-admin';
    return refuse(code, error.message.slice(0, 1000), added);
  }
}

export interface RenewalParts {
  readonly identity: Identity;
  readonly network: Network;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** 0 to 1. */
  readonly chance: () => number;
  /** The pause before the second round, in milliseconds. */
  readonly retryMs: number;
  readonly addressesOf: (stack: StackId) => readonly string[];
  /** Statements that were added. */
  readonly stated: (statements: readonly Statement[]) => void;
}

/** Sees to the own certificate; told from time to time that time went on. */
export class Renewal {
  readonly #parts: RenewalParts;
  #nextAt = 0;
  #failures = 0;
  #isAsking = false;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  /**
   * Asks for a new certificate once two thirds of the own one are over (a founder makes its own), and for those of others that
   * this stack may have missed.
   */
  due(): void {
    const { membership, identity, clock, signal } = this.#parts;
    if (this.#isAsking || signal.aborted || clock.monotonic() < this.#nextAt) return;
    if (membership.roster.isFounder(identity.stack)) this.#renewOwn();
    if (!this.#hasToAsk()) return;
    this.#isAsking = true;
    void this.#askRound().finally(() => {
      this.#isAsking = false;
    });
  }

  #hasToAsk(): boolean {
    const { membership, identity } = this.#parts;
    return membership.isDue(identity.stack) || this.#isUnheard() || this.#outdated().length > 0;
  }

  #renewOwn(): void {
    const { membership, log, stated } = this.#parts;
    try {
      const renewed = membership.renewOwn();
      if (renewed.length > 0) stated(renewed);
    } catch (error) {
      log.warn({ error }, 'the own certificate is not renewed');
      this.#pause();
    }
  }

  /**
   * A founder that renewed itself with nobody to see it is a stranger to the others once the certificate that they know ran out,
   * until one of them has seen the new one.
   */
  #isUnheard(): boolean {
    const { membership, identity, network } = this.#parts;
    if (network.connected().length > 0 || !membership.roster.isFounder(identity.stack)) return false;
    const own = membership.statements.filter(
      ({ payload }) => payload.type === 'certificate' && payload.stack === identity.stack,
    );
    return own.length > 1;
  }

  /**
   * Those that may renew this stack and whose certificates ran out, by what is known here. They may have new ones: a stack that
   * was away for a month would call all of them strangers, and be alone until its own certificate runs out, too.
   */
  #outdated(): StackId[] {
    return this.#issuers().filter((stack) => !this.#parts.membership.valid(stack));
  }

  /** Founders, and for who is no admin those that founders made admins. */
  #issuers(): StackId[] {
    const { membership, identity } = this.#parts;
    const { roster } = membership;
    const own = roster.memberships.get(identity.stack);
    return this.#others()
      .filter(({ stack, role }) => roster.isFounder(stack) || (role === 'admin' && own?.role !== 'admin'))
      .map(({ stack }) => stack);
  }

  #others(): Member[] {
    const { membership, identity } = this.#parts;
    return [...membership.roster.memberships.values()].filter(
      ({ stack, state }) => stack !== identity.stack && state === 'valid',
    );
  }

  async #askRound(): Promise<void> {
    const { log, signal } = this.#parts;
    const candidates = this.#candidates();
    // Nobody to ask is no failure: the next one that connects is asked as soon as time is looked at again.
    if (candidates.length === 0) return;
    for (const admin of candidates) {
      if (signal.aborted) return;
      try {
        await this.#ask(admin);
        if (this.#hasToAsk()) continue;
        this.#failures = 0;
        this.#nextAt = 0;
        return;
      } catch (error) {
        log.debug({ admin, error }, 'certificate not renewed there');
      }
    }
    this.#pause();
  }

  /** Whom to ask, those that are connected first; who isn't is dialled only where that is the way to be let in again. */
  #candidates(): StackId[] {
    const { membership, identity, network, chance } = this.#parts;
    const connected = new Set(network.connected());
    const isExpired = !membership.valid(identity.stack);
    const isDue = membership.isDue(identity.stack);
    const shownTo = this.#isUnheard() ? this.#others().map(({ stack }) => stack) : [];
    const issuers = this.#issuers();
    // Others are dialled where none is connected: a zone may have no admin, and in a large one not everybody is connected.
    const isAlone = !issuers.some((stack) => connected.has(stack));
    const asked = issuers.filter(
      (stack) => isExpired || !membership.valid(stack) || (isDue && (isAlone || connected.has(stack))),
    );
    return [...new Set([...shownTo, ...asked])]
      .map((stack) => ({ stack, rank: (connected.has(stack) ? 0 : 1) + chance() }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, maxAsked)
      .map(({ stack }) => stack);
  }

  async #ask(admin: StackId): Promise<void> {
    const { membership, identity, network, clock, log, signal, addressesOf, stated } = this.#parts;
    const wasDue = membership.isDue(identity.stack);
    const { mesh } = membership.roster;
    const isFounder = membership.roster.isFounder(identity.stack);
    const request = toBytes({ mesh, show: isFounder ? shownOf(membership, identity.stack) : [] });
    const bytes = await within(clock, renewTimeoutMs, { signal }, (limit) => {
      const options = { signal: limit, maxResponseBytes: maxRenewAnswerBytes };
      return network.connected().includes(admin)
        ? network.request(admin, renewProtocol, request, options)
        : network.requestWithKey(identity.seed, addressesOf(admin), renewProtocol, request, options);
    });
    const answer = fromBytes(answerSchema, bytes, maxRenewAnswerBytes);
    if (!answer || membership.roster.mesh !== mesh) throw new Error('the answer cannot be read');
    if ('code' in answer) throw new RegistryError(answer.code, answer.message);
    const added = membership.add(answer.statements);
    if (added.length > 0) stated(added);
    if (wasDue && !membership.isDue(identity.stack)) log.info({ by: admin }, 'certificate renewed');
  }

  #pause(): void {
    const { clock, retryMs, chance } = this.#parts;
    const meanMs = Math.min(maxPauseMs, retryMs * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    this.#nextAt = clock.monotonic() + meanMs * (0.5 + chance() / 2);
  }
}

function show(membership: Membership, stack: StackId): Uint8Array {
  return toBytes({ statements: shownOf(membership, stack) });
}

/** The newest certificates of that stack and of this one, and the roots behind them, as far as they fit. */
function shownOf(membership: Membership, stack: StackId): Uint8Array[] {
  const { roster, statements } = membership;
  const wanted = new Set([stack, membership.self].map((each) => roster.memberships.get(each)?.certificate));
  const certificates = statements.filter(({ id }) => wanted.has(id));
  const roots = statements.filter(({ payload }) => payload.type === 'root').slice(-(maxShown - certificates.length));
  return [...roots, ...certificates].map(({ wire }) => wire);
}
