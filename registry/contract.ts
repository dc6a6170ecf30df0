// What the registry promises to those above it, and what it asks of them.

import type { Directory } from '#registry/directory';
import type { Presence } from '#registry/liveness';
import type { ReplicateOptions } from '#registry/replication';
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
}

/** A record to write; `body` undefined deletes it. */
export interface Write {
  readonly kind: string;
  readonly name: string;
  readonly body: unknown;
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
  /** The pause before a failed dial is tried again, growing from there; 1,000 ms by default. */
  readonly retryMs?: number;
}

export interface Registry extends AsyncDisposable {
  readonly stack: StackId;
  readonly directory: Directory;
  mesh(): { readonly id: string; readonly foundedHere: boolean };
  members(): Member[];
  /** Owners that signed two histories of their feed; nothing more is taken from them. */
  quarantined(): StackId[];
  /** All zones of the mesh, by name; a mesh of up to 500 stacks has one, which has no name. */
  zones(): ZoneSummary[];
  /**
   * The record that a label means (`name` or `name@stack`): in the own zone, else asked for in the others, within 5 s
   * and kept for 30 s. Throws `too-slow` where too many searches run.
   */
  find(kind: string, label: string, options: { signal: AbortSignal }): Promise<Found>;
  /** The members, each time that they or their presence changed. */
  followMembers(options: { signal: AbortSignal }): AsyncIterable<readonly Member[]>;
  /**
   * Writes records of this stack: within `database.transaction` all writes become one delta with the outermost commit,
   * else each call is one. Throws `invalid-record`, `unknown-kind`, `record-too-large` or `feed-full`; then nothing is kept.
   */
  write(changes: readonly Write[]): void;
  /** One line for who is to join, and when it runs out. Throws `not-admin`. */
  createInvite(options: { role: MemberRole; expiresInMs: number; uses: number }): { token: string; expiresAt: number };
  /** Joins the mesh of the token, from a mesh where this stack is alone; a join that throws changed nothing. */
  join(token: string, options: { signal: AbortSignal }): Promise<void>;
  /** Revokes a stack for ever, by id or name. */
  revoke(stack: string): Promise<void>;
  /** Leaves the mesh and founds one of its own, with the own records. */
  leave(): Promise<void>;
}
