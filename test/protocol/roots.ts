// This room alone knows which roots of a roster stand, their chain, and who was a founder until when (docs/protocol.md, section 4).
import type { StatementOf } from './statement.ts';

type RootStatement = StatementOf<'root'>;

/** A root with those that signed it; all its statements have the same body. */
export interface Root {
  readonly hash: string;
  readonly body: RootStatement['body'];
  readonly signers: string[];
  stands: boolean;
}
/** What the roots of a set come to; `kept` are the ids of those statements that count. */
export interface Roots {
  readonly chain: readonly Root[];
  readonly proposals: readonly Root[];
  readonly forks: readonly Root[];
  readonly kept: ReadonlySet<string>;
}

/** Of one signer at most so many roots after the same one count. */
const maxOfOneSigner = 16;

/** What these root statements of one mesh come to. */
export function rootsOf(statements: readonly RootStatement[], mesh: string): Roots {
  const roots = new Map<string, Root>();
  const kept = new Set<string>();
  const made = new Map<string, number>();
  for (const { id, bodyHash, body, signer } of inOrder(statements)) {
    const before = body.previous === undefined ? undefined : roots.get(body.previous);
    if (!mayState(body, bodyHash, before, mesh)) continue;
    const admins = before?.body ?? body;
    if (!admins.admins.includes(signer)) continue;
    const share = `${signer} ${body.previous}`;
    const before16 = made.get(share) ?? 0;
    if (before16 >= maxOfOneSigner) continue;
    made.set(share, before16 + 1);
    const root = roots.get(bodyHash) ?? { hash: bodyHash, body, signers: [], stands: false };
    root.signers.push(signer);
    root.stands = !before || root.signers.length >= before.body.threshold;
    roots.set(bodyHash, root);
    kept.add(id);
  }
  const all = [...roots.values()];
  const chain = chainFrom(all, roots.get(mesh));
  return {
    chain,
    proposals: all.filter(({ stands, body }) => !stands && body.previous === chain.at(-1)?.hash),
    forks: all.filter(
      (root) => root.stands && !chain.includes(root) && chain.some(({ hash }) => hash === root.body.previous),
    ),
    kept,
  };
}

/** Until when a stack was a founder: infinity for who is one, minus infinity for who never was. */
export function founderUntil(stack: string, chain: readonly Root[]): number {
  const last = chain.findLastIndex(({ body }) => body.admins.includes(stack));
  if (last < 0) return Number.NEGATIVE_INFINITY;
  return chain[last + 1]?.body.createdAt ?? Number.POSITIVE_INFINITY;
}

function mayState(body: RootStatement['body'], hash: string, before: Root | undefined, mesh: string): boolean {
  if (body.version === 1) return hash === mesh;
  return !!before?.stands && before.body.version === body.version - 1 && body.createdAt >= before.body.createdAt;
}

function inOrder(statements: readonly RootStatement[]): RootStatement[] {
  return statements.toSorted((one, other) => one.body.version - other.body.version || (one.id < other.id ? -1 : 1));
}

function chainFrom(all: readonly Root[], first: Root | undefined): Root[] {
  if (!first) return [];
  const ways = all
    .filter((root) => root.stands && root.body.previous === first.hash)
    .map((root) => chainFrom(all, root))
    .sort((one, other) => other.length - one.length || ((one[0]?.hash ?? '') < (other[0]?.hash ?? '') ? -1 : 1));
  return [first, ...(ways[0] ?? [])];
}
