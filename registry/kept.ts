// What a registry keeps and judges by, without a network: stores, mesh time, the roster, feeds, who stands, and the directory.
import { Directory } from '#registry/directory';
import { type Change, FeedStore, Feeds, type Quarantine } from '#registry/feeds';
import { HeldStore } from '#registry/replication';
import { Admission, Membership, MeshTime, RosterStore } from '#registry/roster';
import { maxZoneMembers, zoneKind } from '#registry/zones';
import type { Clock } from './clock.ts';
import type { RegistryOptions } from './contract.ts';
import { HeldWrites } from './held-writes.ts';
import { Kinds } from './kind.ts';
import { Members, type MembersParts } from './members.ts';
import type { StackId } from './network.ts';
import { Standing } from './standing.ts';

export interface Kept {
  readonly self: StackId;
  readonly rosterStore: RosterStore;
  readonly feedStore: FeedStore;
  readonly kinds: Kinds;
  readonly time: MeshTime;
  /** The clock that dates are judged by: mesh time. */
  readonly judged: Clock;
  readonly membership: Membership;
  readonly standing: Standing;
  readonly held: HeldWrites;
  readonly feeds: Feeds;
  readonly admission: Admission;
  readonly members: Members;
  readonly directory: Directory;
  /** Leaves nothing to be taken for lost at the next start. */
  settle(): void;
}

/** Opens it from the database; what an earlier run that was killed left half done is put in order first. */
export function openKept(
  options: RegistryOptions,
  {
    isCloned,
    ...told
  }: Pick<MembersParts, 'seen' | 'ownAddresses' | 'elsewhere'> & {
    /** Whether this stack stopped to sign, as another one runs with its identity. */
    readonly isCloned: () => boolean;
  },
): Kept {
  const { database, identity, clock } = options;
  const self = identity.stack;
  const rosterStore = new RosterStore(database);
  const feedStore = new FeedStore(database);
  const kinds = new Kinds([zoneKind, ...options.kinds]);
  const time = new MeshTime({
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    floor: Number(rosterStore.setting('time-floor') ?? 0),
    keep: (floor) => rosterStore.setSetting('time-floor', String(floor)),
  });
  const judged: Clock = {
    now: () => time.now(),
    monotonic: () => clock.monotonic(),
    after: (...at) => clock.after(...at),
  };
  const membership = new Membership(rosterStore, identity, judged.now, () => time.requireClock());
  const standing = new Standing(kinds, membership, feedStore, rosterStore, options.mayStand);
  const faultOf = (feed: string, change: Change): string | undefined => standing.faultOf(feed, change);
  const held = new HeldWrites({ self, store: feedStore, held: new HeldStore(database), faultOf });
  // The rows of an earlier run that was killed stand ahead of the head that tries are built for.
  database.transaction(() => held.stepBack());
  const feeds = new Feeds(feedStore, identity, faultOf, {
    monotonic: () => clock.monotonic(),
    pardoned: (feed) => membership.roster.pardons.get(feed) ?? 0,
  });
  const admission = new Admission(rosterStore, membership, judged.now, options.maxZoneMembers ?? maxZoneMembers);
  const quarantineOf = (stack: StackId): string | undefined => {
    if (feeds.isQuarantined(stack)) return sayQuarantine(feeds.quarantineOf(stack));
    return stack === self && isCloned() ? saidOfClone : undefined;
  };
  let directory: Directory;
  const members = new Members({
    self,
    membership,
    store: rosterStore,
    ...told,
    directory: () => directory,
    quarantineOf,
  });
  directory = new Directory(feedStore, kinds, (stack) => {
    const member = membership.roster.memberships.get(stack);
    const presence = members.presence(stack);
    // Feeds of another zone are of a stack that moved there.
    const isElsewhere = (member?.zone ?? '') !== membership.zone;
    const isGone = ['left', 'revoked'].includes(presence.state) || isElsewhere;
    return member && !isGone ? { name: member.name, presence } : undefined;
  });
  return {
    self,
    rosterStore,
    feedStore,
    kinds,
    time,
    judged,
    membership,
    standing,
    held,
    feeds,
    admission,
    members,
    directory,
    settle: () => settle(feedStore, options.log),
  };
}

const saidOfClone = 'two stacks run with its identity';

/** A store that takes nothing more (a full disk) ends no stop: the next start leaves a gap then. */
function settle(store: FeedStore, log: RegistryOptions['log']): void {
  try {
    store.settlePositions();
  } catch (error) {
    log.debug({ error }, 'positions were not settled');
  }
}

/** What is told of a feed from which nothing more is taken. */
function sayQuarantine(quarantine: Quarantine | undefined): string {
  return quarantine?.reason === 'clone' ? saidOfClone : 'it signed two histories of its records';
}
