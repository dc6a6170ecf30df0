// How a mesh falls into zones, and which stacks of a zone speak for it: pure, and the same on every stack.
import type { StackId } from '../network.ts';
import { sha256, toBytes, toHex } from '../wire.ts';

/** What full replication of one zone is measured for; a larger mesh takes several. */
export const maxZoneMembers = 500;
/** Zones that are told of: 32,000 stacks. Those that follow in the order of names aren't asked. */
export const maxZones = 64;
/** One may be ended and another cut off, and somebody still speaks for the zone. */
export const gatewaysAZone = 3;

/** The stacks of each zone, zones by name; at most 64 of them, and always the own one. */
export function zonesOf(
  members: Iterable<{ readonly stack: StackId; readonly zone: string }>,
  own: string,
): ReadonlyMap<string, readonly StackId[]> {
  const all = new Map<string, StackId[]>();
  for (const { stack, zone } of members) {
    const stacks = all.get(zone);
    if (stacks) stacks.push(stack);
    else all.set(zone, [stack]);
  }
  const names = [...all.keys()].sort();
  const kept = new Set([own, ...names.filter((name) => name !== own).slice(0, maxZones - 1)]);
  return new Map(names.flatMap((name): [string, StackId[]][] => (kept.has(name) ? [[name, all.get(name) ?? []]] : [])));
}

/**
 * The stacks of a zone in the order in which they speak for it: by SHA-256 over (zone, stack), lowest first. So each
 * stack comes first in as many zones of as many stacks, and one that goes moves nobody but its successor
 * (rendezvous hashing, Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998).
 */
export function rank(zone: string, stacks: readonly StackId[]): StackId[] {
  return stacks
    .map((stack) => ({ stack, weight: toHex(sha256(toBytes([zone, stack]))) }))
    .sort((a, b) => (a.weight < b.weight ? -1 : 1))
    .map(({ stack }) => stack);
}

/** The gateways of a zone, best first, of those of its stacks that are up. */
export function gatewaysOf(zone: string, up: readonly StackId[]): StackId[] {
  return rank(zone, up).slice(0, gatewaysAZone);
}
