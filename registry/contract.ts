// What the registry promises to those above it, and what it asks of them.

import type { Directory } from '#registry/directory';
import type { LivenessTiming, Presence } from '#registry/liveness';
import type { ReplicateOptions } from '#registry/replication';
import type { TimeSample, Welcome } from '#registry/roster';
import type { Found, ZoneOptions, ZoneSummary } from '#registry/zones';
import type { Clock } from './clock.ts';
import type { Database } from './database.ts';
import type { Identity } from './identity.ts';
import type { Kind, MemberRole } from './kind.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Network, StackId } from './network.ts';
import type { MayStand } from './standing.ts';

/** One stack of the mesh; times are milliseconds since 1970. */
export interface Member {
  readonly stack: StackId;
  readonly name: string;
  /** Its zone, "" for the one without a name. */
  readonly zone: string;
  readonly role: MemberRole;
  readonly self: boolean;
  readonly liveness: Presence;
  readonly addresses: readonly string[];
  /** When its certificate runs out. */
  readonly expires: number;
  /** The public key that secrets for it are sealed to, 32 bytes. */
  readonly x25519: Uint8Array;
  /** Why nothing more is taken from its feed. */
  readonly quarantine?: string;
}

/** A record to write; `body` undefined deletes it. */
export interface Write {
  readonly kind: string;
  readonly name: string;
  readonly body: unknown;
}

/** A change of the mesh that is one transaction with what else must stand or fall with it. */
export interface DeedOptions {
  /** Runs inside the transaction; what it throws undoes the change, and is thrown on. */
  readonly within?: () => void;
}

/** One version of the document that names the founders of a mesh. */
export interface MeshRoot {
  readonly version: number;
  /** SHA-256 of what it says, in hex. */
  readonly hash: string;
  readonly admins: readonly StackId[];
  /** So many of them make the next version. */
  readonly threshold: number;
  readonly signers: readonly StackId[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The signed statements as they were received. */
  readonly statements: readonly Uint8Array[];
}

export interface MeshRoots {
  /** The oldest first; the last one counts. */
  readonly chain: readonly MeshRoot[];
  /** Would follow the newest once enough of its admins signed. */
  readonly proposals: readonly MeshRoot[];
  /** Signed by enough, and outdone by another one of the same version: two groups of admins agreed on two things. */
  readonly forks: readonly MeshRoot[];
}

export interface RegistryOptions {
  /** Opened with `registryMigrations`. */
  readonly database: Database;
  readonly identity: Identity;
  /** The stack's name, a DNS label; a mesh knows it by this. */
  readonly name: string;
  /** The zone that it founds or asks for when it joins, a DNS label; by default that of the stack which invites. */
  readonly zone?: string;
  /** Stacks that a zone may have; 500 by default. */
  readonly maxZoneMembers?: number;
  readonly network: Network;
  readonly kinds: readonly Kind[];
  readonly mayStand: MayStand;
  /** Where others can dial this stack; by default what the network says. */
  readonly addresses?: () => readonly string[];
  readonly clock: Clock;
  /** That many random bytes. */
  readonly random: (sizeBytes: number) => Uint8Array;
  readonly log: Log;
  /** Where what is refused and carried is counted; nowhere by default. */
  readonly metrics?: Metrics;
  readonly replicate?: Partial<ReplicateOptions>;
  readonly zones?: Partial<ZoneOptions>;
  readonly liveness?: Partial<LivenessTiming>;
  /** A member's clock, as far as it is ahead of this one, and how long asking took; milliseconds. */
  readonly timeSample?: (stack: StackId, offsetMs: number, roundTripMs: number) => void;
  /** The pause before a failed dial is tried again, growing from there; 1,000 ms by default. */
  readonly retryMs?: number;
}

export interface Registry extends AsyncDisposable {
  readonly stack: StackId;
  /** The network with conduct in front: what else is served to members goes through it, and needs a row in its table. */
  readonly network: Network;
  readonly directory: Directory;
  mesh(): { readonly id: string; readonly foundedHere: boolean };
  members(): Member[];
  /** One member by its id, without reading all; undefined for a stranger. */
  member(stack: StackId): Member | undefined;
  roots(): MeshRoots;
  /**
   * Signs the root that is to follow: these admins (ids or names) and this threshold, or, left out, the only one that waits
   * for signatures. Throws `not-admin`, `unknown-stack` or `root-invalid`.
   */
  signRoot(
    wanted: { readonly admins: readonly string[]; readonly threshold: number } | undefined,
    options?: DeedOptions,
  ): MeshRoot;
  /** Takes the feed of a quarantined stack again, from its next epoch on. Throws `not-admin` or `unknown-stack`. */
  pardon(stack: string, options?: DeedOptions): { readonly stack: StackId; readonly counter: number };
  /**
   * Takes over what an owner that went left: its records of kinds that outlast their owner are copied into the own feed, and
   * bare names mean these. Throws `not-admin`, `unknown-stack`, `still-there` or `feed-full`.
   */
  adopt(stack: string, options?: DeedOptions): { readonly stack: StackId; readonly records: number };
  /** Hands one own record to another member: bare names mean its record once it is there. Throws `invalid-record` or `unknown-stack`. */
  handOff(kind: string, name: string, to: string): void;
  /** What a member's clock said in an exchange. */
  timeSample(sample: TimeSample): void;
  /** The mesh's time in milliseconds since 1970, and how far the own clock is ahead of it. */
  time(): { readonly now: number; readonly skewMs: number };
  /** Owners that signed two histories of their feed; nothing more is taken from them. */
  quarantined(): StackId[];
  /** All zones of the mesh, by name; a mesh of up to 500 stacks has one, which has no name. */
  zones(): ZoneSummary[];
  /**
   * The record that a label means (`name` or `name@stack`): in the own zone, else asked for in the others, within 5 s
   * and kept for 30 s. Throws `too-slow` where too many searches run.
   */
  find(kind: string, label: string, options: { signal: AbortSignal }): Promise<Found>;
  /**
   * Whether as many members as can be sure, at most three, said since the start how far this stack's own feed went; until
   * then its records are served here and others may hold more of them.
   */
  confirmed(): boolean;
  /** Whether feeds of other stacks may still be missing: no round of anti-entropy with a member was completed yet. */
  syncing(): boolean;
  /** A member did that wrong in an exchange of those above: it is counted with its other faults, told, and in the end cut off. */
  fault(stack: StackId, fault: 'wrong-bytes'): void;
  /** Connects to a member that isn't connected. Throws `unknown-stack`, `unreachable`, `refused` or `timed-out`. */
  reach(stack: StackId, options: { signal: AbortSignal }): Promise<void>;
  /** The members, each time that they or their presence changed. */
  followMembers(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]>;
  /**
   * Writes records of this stack: within `database.transaction` all writes become one delta with the outermost commit,
   * else each call is one. Throws `invalid-record`, `unknown-kind`, `record-too-large` or `feed-full`, and `quarantined` where another
   * stack writes under this identity; then nothing is kept.
   */
  write(changes: readonly Write[]): void;
  /** One line for who is to join, and when it runs out. Throws `not-admin` or `clock-off`. */
  createInvite(options: { role: MemberRole; expiresInMs: number; uses: number }): { token: string; expiresAt: number };
  /** Joins the mesh of the token, from a mesh where this stack is alone; a join that throws changed nothing. */
  join(token: string, options: { signal: AbortSignal } & DeedOptions): Promise<void>;
  /** Whether the token would let this stack in; uses nothing up. Throws what `join` would throw. */
  probe(token: string, options: { signal: AbortSignal }): Promise<Welcome>;
  /** Revokes a stack for ever, by id or name. Resolves when the neighbours were told. */
  revoke(stack: string, options?: DeedOptions): Promise<void>;
  /** Leaves the mesh and founds one of its own, with the own records; `within` runs as the certificate is given up. */
  leave(options?: DeedOptions): Promise<void>;
}
