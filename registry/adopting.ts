// What one stack takes over from another: all that a dead owner left, by an admin; or one record, handed off by its owner.
import { handOffName } from '#registry/directory';
import type { FeedStore } from '#registry/feeds';
import type { Membership } from '#registry/roster';
import type { DeedOptions, Write } from './contract.ts';
import { adoptionKind, handOffKind, type Kinds, stackKind } from './kind.ts';
import type { Members } from './members.ts';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';
import { toHex } from './wire.ts';

export interface AdoptingParts {
  readonly self: StackId;
  readonly store: FeedStore;
  readonly kinds: Kinds;
  readonly members: Members;
  readonly membership: Membership;
  readonly now: () => number;
  readonly write: (changes: readonly Write[]) => void;
}

/** States of an owner that still speaks for itself. */
const alive: readonly string[] = ['up', 'suspect'];
/** Kinds that speak of their owner itself, and so are nobody else's. */
const ownKinds: readonly string[] = [stackKind.name, adoptionKind.name, handOffKind.name];

/**
 * Copies the records of an owner that went into the own feed, and says so there: those of kinds that outlast their owner, as
 * far as this stack has none of the same name. Throws `not-admin`, `unknown-stack`, `still-there` or `feed-full`.
 */
export function adopt(
  { self, store, kinds, members, membership, now, write }: AdoptingParts,
  label: string,
  { within }: DeedOptions,
): { readonly stack: StackId; readonly records: number } {
  if (membership.valid(self)?.role !== 'admin') {
    throw new RegistryError('not-admin', `Cannot adopt what "${label}" left: this stack is not an admin of the mesh`);
  }
  const owner = members.stackOf(label);
  const presence = members.presence(owner);
  if (!membership.roster.memberships.has(owner)) {
    throw new RegistryError('unknown-stack', `Cannot adopt what "${label}" left: it isn't in the roster of this mesh`);
  }
  if (owner === self || alive.includes(presence.state)) {
    throw new RegistryError(
      'still-there',
      `Cannot adopt what "${label}" has: it is "${presence.state}", and speaks for itself; stop or revoke it first`,
    );
  }
  const own = new Set(store.everyRecord(self).map(({ kind, name }) => `${kind}\n${name}`));
  const copies = store.everyRecord(owner).flatMap(({ kind, name, body, fault }): Write[] => {
    if (fault !== null || ownKinds.includes(kind) || !kinds.get(kind)?.outlastsOwner || own.has(`${kind}\n${name}`)) {
      return [];
    }
    const read = kinds.read(kind, name, body);
    return 'fault' in read ? [] : [{ kind, name, body: read.body }];
  });
  const adoption = { records: 'all' as const, count: copies.length, at: now() };
  store.database.transaction(() => {
    write([...copies, { kind: adoptionKind.name, name: owner, body: adoption }]);
    within?.();
  });
  return { stack: owner, records: copies.length };
}

/**
 * The first of two steps: says that another member's record of that name comes in place of the own one, as it is now. The
 * second is that the other one writes it. Throws `invalid-record` or `unknown-stack`.
 */
export function handOff(
  { self, store, members, membership, write }: AdoptingParts,
  kind: string,
  name: string,
  label: string,
): void {
  const [row] = store.select({ kind, name, feed: self, hidden: false });
  if (!row || ownKinds.includes(kind)) {
    throw new RegistryError(
      'invalid-record',
      `Cannot hand off "${kind}/${name}": this stack has no such record to give`,
    );
  }
  const to = members.stackOf(label);
  if (to === self || !membership.valid(to)) {
    throw new RegistryError(
      'unknown-stack',
      `Cannot hand off "${kind}/${name}" to "${label}": it isn't another member`,
    );
  }
  write([{ kind: handOffKind.name, name: handOffName(kind, name), body: { to, hash: toHex(row.hash) } }]);
}
