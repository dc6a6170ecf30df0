// This room alone knows how what was read is shown as the vectors show it.
import type { Standing } from './heads.ts';
import { hex, sha256, stackIdOf } from './identity.ts';
import { Refusal } from './refusal.ts';
import type { Root } from './roots.ts';

/** Bytes as hex, all the way down. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** A root with its signers in their order. */
export function shown({ hash, signers }: Root): unknown {
  return { hash, signers: signers.toSorted() };
}

/** Roots as the vectors show them, the lower hash first. */
export function byHash(roots: readonly Root[]): unknown[] {
  return roots.toSorted((one, other) => (one.hash < other.hash ? -1 : 1)).map(shown);
}

/** Feed `index` of the rule by which the fingerprints are made. */
export function standing(index: number, quarantined: readonly number[]): Standing {
  return {
    feed: stackIdOf(sha256(`feed ${index}`)),
    epoch: { counter: index, nonce: new Uint8Array(16).fill(index % 256) },
    sequence: index + 1,
    hash: sha256(`head ${index}`),
    isQuarantined: quarantined.includes(index),
  };
}

/** What an act was refused for. */
export function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (fault) {
    if (fault instanceof Refusal) return fault.message;
    throw fault;
  }
  return 'it was taken';
}

/** Nothing where an act is refused for that reason; else one line that tells what came instead. */
export function faultsOf(what: string, why: string, reason: RegExp | undefined, act: () => unknown): string[] {
  const fault = refusalOf(act);
  return reason?.test(fault) ? [] : [`${what}: ${why}: ${fault}`];
}
