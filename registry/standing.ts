// Which records may stand: known kind, right shape, and an owner with the right; the others are kept, and hidden.
import type { Change, FeedStore } from '#registry/feeds';
import type { Membership, RosterStore } from '#registry/roster';
import { type Kinds, type MemberRole, stackKind } from './kind.ts';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';

/** Says whether a record of that owner may stand; a string is why not. */
export type MayStand = (
  record: { readonly kind: string; readonly name: string; readonly body: unknown },
  owner: { readonly stack: StackId; readonly role: MemberRole },
) => string | undefined;

export class Standing {
  readonly #kinds: Kinds;
  readonly #membership: Membership;
  readonly #feeds: FeedStore;
  readonly #settings: RosterStore;
  readonly #mayStand: MayStand;

  constructor(kinds: Kinds, membership: Membership, feeds: FeedStore, settings: RosterStore, mayStand: MayStand) {
    this.#kinds = kinds;
    this.#membership = membership;
    this.#feeds = feeds;
    this.#settings = settings;
    this.#mayStand = mayStand;
  }

  /** The bytes of a record that this stack may write; throws what `Kinds.encode` throws, and `invalid-record`. */
  encode(kind: string, name: string, body: unknown, owner: StackId): Uint8Array {
    const bytes = this.#kinds.encode(kind, name, body);
    const fault = this.#judge({ kind, name, body }, owner);
    if (fault) throw new RegistryError('invalid-record', `Cannot write "${kind}/${name}": ${fault}`);
    return bytes;
  }

  /** Why a received record is hidden, or undefined where it may be seen. */
  faultOf(owner: StackId, change: Change): string | undefined {
    if (!change.body) return undefined;
    const read = this.read(owner, { ...change, body: change.body });
    return 'fault' in read ? read.fault : undefined;
  }

  /** The body of a record in the shape of its kind where it may stand, else why not. */
  read(
    owner: StackId,
    { kind, name, body }: { readonly kind: string; readonly name: string; readonly body: Uint8Array },
  ): { readonly body: unknown } | { readonly fault: string } {
    const read = this.#kinds.read(kind, name, body);
    if ('fault' in read) return read;
    const fault = this.#judge({ kind, name, body: read.body }, owner);
    return fault === undefined ? read : { fault };
  }

  /** Judges stored records anew, of one owner or of all, after kinds or rights changed. */
  judgeAnew(owner?: StackId): void {
    for (const row of this.#feeds.everyRecord(owner)) {
      const fault = this.faultOf(row.feed, row);
      if (fault !== (row.fault ?? undefined)) this.#feeds.setFault(row.feed, row.key, fault);
    }
  }

  /** Judges all anew where the kinds are other ones than those that the stored records were judged by. */
  judgeByKinds(): void {
    const fingerprint = this.#kinds.fingerprint();
    if (this.#settings.setting('kinds') === fingerprint) return;
    this.judgeAnew();
    this.#settings.setSetting('kinds', fingerprint);
  }

  #judge(record: { kind: string; name: string; body: unknown }, owner: StackId): string | undefined {
    const member = this.#membership.roster.memberships.get(owner);
    if (!member) return 'its owner is not a member';
    const { role } = member;
    // No stack takes another one's name by saying so.
    if (record.kind === stackKind.name && record.name !== member.name) {
      return `its owner's certificate bears the name "${member.name}"`;
    }
    const writer = this.#kinds.get(record.kind)?.writer;
    if (writer === 'admin' && role !== 'admin') return `only an admin may write the kind "${record.kind}"`;
    return this.#mayStand(record, { stack: owner, role });
  }
}
