// Who comes after whom: of several claimants of one name, those that handed it off or were adopted stand behind their successors.
import type { StackId } from '../network.ts';

/** What succession needs of a record that claims a name. */
export interface Claim {
  readonly kind: string;
  readonly name: string;
  readonly stack: StackId;
  /** SHA-256 of its body, in hex. */
  readonly hash: string;
}

export interface Succession {
  /** Whether the first adopted what the other left. */
  adopted(by: StackId, owner: StackId): boolean;
  /** To whom an owner handed a record off, and the hash that it had then. */
  handedOff(owner: StackId, kind: string, name: string): { readonly to: StackId; readonly hash: string } | undefined;
}

/** The name of the record that hands another one off. */
export function handOffName(kind: string, name: string): string {
  return `${kind}/${name}`;
}

/**
 * Pure: claims that are in the order of names, each name's with the successors first, else as they were. A successor counts
 * once its own record is there, so a hand-off that ends in the middle leaves the old record in its place; one that was
 * written anew since it was handed off is taken back by that.
 */
export function inSuccession<Each extends Claim>(sorted: readonly Each[], read: () => Succession): Each[] {
  const result: Each[] = [];
  let succession: Succession | undefined;
  for (let from = 0; from < sorted.length; ) {
    const first = sorted[from] as Each;
    let to = from + 1;
    while (sorted[to]?.kind === first.kind && sorted[to]?.name === first.name) to += 1;
    const claims = sorted.slice(from, to);
    if (claims.length > 1) {
      succession ??= read();
      const known = succession;
      const isBehind = (claim: Each): boolean => claims.some((other) => comesAfter(other, claim, known));
      const behind = new Set(claims.filter(isBehind));
      result.push(...claims.filter((claim) => !behind.has(claim)), ...behind);
    } else result.push(first);
    from = to;
  }
  return result;
}

function comesAfter(later: Claim, earlier: Claim, succession: Succession): boolean {
  if (later.stack === earlier.stack) return false;
  if (succession.adopted(later.stack, earlier.stack)) return true;
  const handed = succession.handedOff(earlier.stack, earlier.kind, earlier.name);
  return handed?.to === later.stack && handed.hash === earlier.hash;
}
