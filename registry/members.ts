// The members of the mesh as those above see them: names, roles, presence and addresses, and news of them.
import type { Directory } from '#registry/directory';
import type { Presence } from '#registry/liveness';
import type { CertifiedMember, Membership, RosterStore } from '#registry/roster';
import { Broadcast } from './broadcast.ts';
import type { Member } from './contract.ts';
import { stackKind } from './kind.ts';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';

/** Addresses of one stack that are tried. */
const maxAddresses = 16;

export interface MembersParts {
  readonly self: StackId;
  readonly membership: Membership;
  readonly store: RosterStore;
  /** What is known of a member's presence, whatever the roster says. */
  readonly seen: (stack: StackId) => Presence;
  readonly directory: () => Directory;
  readonly ownAddresses: () => readonly string[];
  /** Where the gateways of other zones said that they are. */
  readonly elsewhere: (stack: StackId) => readonly string[];
  /** Why nothing more is taken from a feed. */
  readonly quarantineOf: (stack: StackId) => string | undefined;
}

interface Nearby {
  /** As the roster has them, what the others are made from. */
  readonly near: readonly StackId[];
  readonly others: readonly StackId[];
  readonly all: readonly StackId[];
}

export class Members {
  readonly #parts: MembersParts;
  #near: Nearby | undefined;
  readonly #news = new Broadcast<() => readonly Member[]>();

  constructor(parts: MembersParts) {
    this.#parts = parts;
  }

  /** All that the roster knows, by name; also those that left or were revoked. */
  list(): Member[] {
    return [...this.#parts.membership.roster.memberships.values()]
      .map((each) => this.#toMember(each))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.stack < b.stack ? -1 : 1));
  }

  /** One of them; undefined for a stranger. */
  of(stack: StackId): Member | undefined {
    const found = this.#parts.membership.roster.memberships.get(stack);
    return found && this.#toMember(found);
  }

  /** The members with a valid certificate, but this stack. */
  others(): StackId[] {
    const { self, membership } = this.#parts;
    return [...membership.roster.memberships.keys()].filter((stack) => stack !== self && membership.valid(stack));
  }

  /** Those of them that are of the own zone; the same list while it doesn't change, as it is asked for at each message. */
  near(): readonly StackId[] {
    return this.#nearby().others;
  }

  /** Those and this stack, whatever became of its own certificate. */
  around(): readonly StackId[] {
    return this.#nearby().all;
  }

  presence(stack: StackId): Presence {
    const { membership } = this.#parts;
    const member = membership.roster.memberships.get(stack);
    const seen = this.#parts.seen(stack);
    if (member?.state === 'left') return { ...seen, state: 'left', why: 'it left the mesh' };
    if (member?.state === 'revoked') return { ...seen, state: 'revoked', why: 'an admin revoked it' };
    if (!membership.valid(stack)) return { ...seen, state: 'expired', why: 'its certificate ran out' };
    if (membership.isNear(stack)) return seen;
    return { ...seen, state: 'unreachable', why: `it is watched by its own zone, "${member?.zone ?? ''}"` };
  }

  /** Where a stack can be dialled: what it says of itself, then what was told when it joined. */
  addressesOf(stack: StackId): readonly string[] {
    const { elsewhere, store } = this.#parts;
    return [...new Set([...this.#toldBy(stack), ...elsewhere(stack), ...store.addresses(stack)])].slice(
      0,
      maxAddresses,
    );
  }

  /** A name means the one member that has it now, not one that went; throws `unknown-stack` where there are several. */
  stackOf(label: string): StackId {
    const named = this.list().filter(({ name }) => name === label);
    const present = named.filter(({ liveness }) => !['left', 'revoked'].includes(liveness.state));
    const [only, ...others] = present.length > 0 ? present : named;
    if (others.length === 0) return only?.stack ?? label;
    const ids = [only, ...others].map((each) => `"${each?.stack}"`).join(', ');
    throw new RegistryError(
      'unknown-stack',
      `Cannot tell which stack is "${label}": ${ids} have this name; give an id`,
    );
  }

  /** Tells those who follow that members or their presence changed. */
  tell(): void {
    this.#news.send(() => this.list());
  }

  follow(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]> {
    const news = this.#news.follow(options);
    return (async function* () {
      for await (const read of news) yield read();
    })();
  }

  close(): void {
    this.#news.close();
  }

  #nearby(): Nearby {
    const { self, membership } = this.#parts;
    const near = membership.near();
    if (this.#near?.near === near) return this.#near;
    const others = near.filter((stack) => stack !== self);
    this.#near = { near, others, all: [self, ...others] };
    return this.#near;
  }

  #toMember({ stack, name, zone, role, notAfter, x25519 }: CertifiedMember): Member {
    const { self, ownAddresses, quarantineOf } = this.#parts;
    const quarantine = quarantineOf(stack);
    return {
      stack,
      name,
      zone,
      role,
      self: stack === self,
      liveness: this.presence(stack),
      addresses: stack === self ? ownAddresses() : this.addressesOf(stack),
      expires: notAfter,
      x25519,
      ...(quarantine !== undefined && { quarantine }),
    };
  }

  #toldBy(stack: StackId): readonly string[] {
    const { membership, directory } = this.#parts;
    const member = membership.roster.memberships.get(stack);
    // Of a stack of another zone nothing is here.
    if (!member || member.zone !== membership.zone) return [];
    const claims = directory().claimants(stackKind, member.name, { includeUnreachable: true });
    return claims.find((claim) => claim.stack === stack)?.body.addresses ?? [];
  }
}
