// Where a record comes from, newest first, as far as it is recorded; and what stands on a record, which keeps it from being removed.
import type { Directory } from '#registry';
import type { BuildRecord, ManifestRecord, RunRecord } from '../kinds.ts';

export interface LineageNode {
  readonly kind: 'manifest' | 'build' | 'image' | 'revision';
  readonly name: string;
  /** Steps from the one that was asked for. */
  readonly depth: number;
  /** Names of the stacks that recorded it; empty where none in reach did, or it was removed. */
  readonly stacks: readonly string[];
  readonly isRemoved: boolean;
  /** What it comes from, by its name below. */
  readonly parents: readonly { readonly relation: Relation; readonly name: string }[];
}

type Relation = 'supersedes' | 'manifest' | 'base' | 'revision';

/** As long as a history that a person reads; what is older is there, one more question away. */
const maxNodes = 200;

interface Sources {
  readonly directory: Pick<Directory, 'list'>;
}

/** Breadth first from one record; a circle, which only a forger could write, ends where it began. */
export function lineageOf(
  { directory }: Sources,
  from: { readonly kind: 'manifest' | 'build'; readonly name: string },
): { readonly nodes: readonly LineageNode[]; readonly isCut: boolean } {
  const manifests = directory.list<ManifestRecord>({ kind: 'manifest', includeUnreachable: true });
  const builds = directory.list<BuildRecord>({ kind: 'build', includeUnreachable: true });
  const buried = new Set(directory.list({ kind: 'tombstone', includeUnreachable: true }).map(({ name }) => name));
  const nodes: LineageNode[] = [];
  const seen = new Set<string>();
  let level: { readonly kind: LineageNode['kind']; readonly name: string }[] = [from];
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: typeof level = [];
    for (const { kind, name } of level) {
      const key = `${kind}/${name}`;
      if (seen.has(key)) continue;
      if (nodes.length === maxNodes) return { nodes, isCut: true };
      seen.add(key);
      const records = (kind === 'manifest' ? manifests : kind === 'build' ? builds : []).filter(
        (one) => one.name === name,
      );
      const parents = records.flatMap(({ body }) => parentsOf(kind, body, builds));
      const unique = [...new Map(parents.map((one) => [`${one.relation} ${one.name}`, one])).values()];
      nodes.push({
        kind,
        name,
        depth,
        stacks: [...new Set(records.map(({ stackName }) => stackName))],
        isRemoved: records.length === 0 && buried.has(key),
        parents: unique.map((one) => ({ relation: one.relation, name: one.name })),
      });
      next.push(...unique.map((one) => ({ kind: one.kind, name: one.name })));
    }
    level = next;
  }
  return { nodes, isCut: false };
}

function parentsOf(
  kind: LineageNode['kind'],
  body: ManifestRecord | BuildRecord,
  builds: readonly { readonly body: BuildRecord }[],
): { readonly relation: Relation; readonly kind: LineageNode['kind']; readonly name: string }[] {
  const { supersedes } = body;
  const before = supersedes === undefined ? [] : [{ relation: 'supersedes', kind, name: supersedes } as const];
  if ('manifestDigest' in body)
    return [...before, { relation: 'manifest', kind: 'manifest', name: body.manifestDigest } as const];
  const bases = (body.bases ?? []).map((base) => {
    // A base that the mesh built is followed further.
    const built = builds.find((one) => one.body.digest === base);
    return built
      ? ({ relation: 'base', kind: 'build', name: built.body.buildKey } as const)
      : ({ relation: 'base', kind: 'image', name: base } as const);
  });
  const { revision } = body;
  const source = revision ? `${revision.commit}${revision.isDirty ? ' and changes' : ''}` : undefined;
  return [
    ...before,
    ...bases,
    ...(source === undefined ? [] : [{ relation: 'revision', kind: 'revision', name: source } as const]),
  ];
}

/** What keeps a record, in words: records of any stack whose lineage names it, and runs of it. Empty where nothing does. */
export function standsOn(
  { directory }: Sources,
  { kind, name, digest }: { readonly kind: string; readonly name: string; readonly digest: string },
): string[] {
  const list = <Body>(of: string) => directory.list<Body>({ kind: of, includeUnreachable: true });
  const named = (one: { kind: string; name: string; stackName: string }, how: string): string =>
    `${one.kind}/${one.name}@${one.stackName} ${how}`;
  const runs = list<RunRecord>('run').filter(
    ({ body }) =>
      (kind === 'manifest' && body.manifestDigest === name) ||
      (kind === 'build' && body.containers.some((one) => one.digest === digest)),
  );
  const manifests = list<ManifestRecord>('manifest').flatMap((one) => {
    if (kind === 'manifest' && one.body.supersedes === name) return [named(one, 'supersedes it')];
    return kind === 'build' && one.body.bases?.includes(digest) ? [named(one, 'builds on it')] : [];
  });
  const builds = list<BuildRecord>('build').flatMap((one) => {
    if (kind === 'build' && one.body.supersedes === name) return [named(one, 'supersedes it')];
    return kind === 'manifest' && one.body.manifestDigest === name ? [named(one, 'was built from it')] : [];
  });
  return [...runs.map((one) => named(one, 'runs it')), ...manifests, ...builds];
}
