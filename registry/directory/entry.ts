// What readers of the registry see: entries, changes, what is hidden, and the order in which entries come.
import type { Presence } from '#registry/liveness';
import type { StackId } from '../network.ts';
import { sha256, toBytes, toHex } from '../wire.ts';

/** One record as readers see it; `body` has the shape of its kind and is read only. */
export interface Entry<Body = unknown> {
  readonly kind: string;
  readonly name: string;
  /** The stack that owns it, and its name in the mesh. */
  readonly stack: StackId;
  readonly stackName: string;
  readonly presence: Presence;
  readonly body: Body;
  /** SHA-256 of the stored bytes, in hex. */
  readonly hash: string;
  readonly position: number;
}

/** A change at a position: `entry` is the record as it is now, undefined where it is gone. */
export interface DirectoryChange {
  readonly position: number;
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  readonly entry: Entry | undefined;
}

/** A record that is kept under its feed's root but not shown, and why. */
export interface HiddenRecord {
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  readonly why: string;
}

/** The place of a claimant among those of one name: SHA-256 over kind, name and stack id, in hex; the lowest has the bare name. */
export function rankOf(kind: string, name: string, stack: StackId): string {
  return toHex(sha256(toBytes([kind, name, stack])));
}

/** By code units, which is the same everywhere; no locale has a part in it. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
