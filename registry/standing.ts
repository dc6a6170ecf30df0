// Which records may stand: known kind, right shape, and an owner with the right; the others are kept, and hidden.
import type { Change } from './feed.ts';
import type { Kinds, MemberRole } from './kind.ts';
import type { Membership } from './membership.ts';
import type { StackId } from './network.ts';
import { RegistryError } from './registry-error.ts';
import type { Store } from './store.ts';

/** Says whether a record of that owner may stand; a string is why not. */
export type MayStand = (
  record: { readonly kind: string; readonly name: string; readonly body: unknown },
  owner: { readonly stack: StackId; readonly role: MemberRole },
) => string | undefined;

export class Standing {
  readonly #kinds: Kinds;
  readonly #membership: Membership;
  readonly #store: Store;
  readonly #mayStand: MayStand;

  constructor(kinds: Kinds, membership: Membership, store: Store, mayStand: MayStand) {
    this.#kinds = kinds;
    this.#membership = membership;
    this.#store = store;
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
    const read = this.#kinds.read(change.kind, change.name, change.body);
    return 'fault' in read ? read.fault : this.#judge({ ...change, body: read.body }, owner);
  }

  /** Judges stored records anew, of one owner or of all, after kinds or rights changed. */
  judgeAnew(owner?: StackId): void {
    for (const row of this.#store.everyRecord(owner)) {
      const fault = this.faultOf(row.feed, row);
      if (fault !== (row.fault ?? undefined)) this.#store.setFault(row.feed, row.key, fault);
    }
  }

  /** Judges all anew where the kinds are other ones than those that the stored records were judged by. */
  judgeByKinds(): void {
    const fingerprint = this.#kinds.fingerprint();
    if (this.#store.setting('kinds') === fingerprint) return;
    this.judgeAnew();
    this.#store.setSetting('kinds', fingerprint);
  }

  #judge(record: { kind: string; name: string; body: unknown }, owner: StackId): string | undefined {
    const role = this.#membership.roster.memberships.get(owner)?.role;
    if (!role) return 'its owner is not a member';
    const writer = this.#kinds.get(record.kind)?.writer;
    if (writer === 'admin' && role !== 'admin') return `only an admin may write the kind "${record.kind}"`;
    return this.#mayStand(record, { stack: owner, role });
  }
}
