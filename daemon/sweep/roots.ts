// Every digest that something on this stack stands on: what its engine runs, what its records name, and runs that are in the middle.
import type { Engine } from '#container-ci';
import type { Journal } from '#daemon/deploy';
import type { Digest, KeptBlob } from '#manifests';
import type { Registry } from '#registry';
import { holdingKind } from '#registry/exchange';

export interface RootSources {
  readonly registry: Pick<Registry, 'stack' | 'directory'>;
  readonly engine: Pick<Engine, 'containers'> | undefined;
  readonly journal: Pick<Journal, 'texts'>;
}

/** Kinds of record that say what is here, what was, or what was found of it: they follow the store, and keep nothing in it. */
const followers: readonly string[] = [holdingKind.name, 'attestation', 'tombstone', 'check', 'step-result'];

/**
 * Whatever a record, a label or the journal calls by a digest counts: builds, manifests, runs and their images, bases, and kinds that are yet to come. An image that was pulled counts while it was used since `pulledSinceMs` (milliseconds since 1970), and
 * while no stack that can be reached has it too. What stands in a repository of `/v2`, and what roots lead to, is added by the sweep.
 * Throws what the engine throws: who can't be asked may run anything.
 */
export async function rootsOf(
  { registry, engine, journal }: RootSources,
  {
    blobs,
    pulledSinceMs,
    signal,
  }: { readonly blobs: readonly KeptBlob[]; readonly pulledSinceMs: number; readonly signal: AbortSignal },
): Promise<Set<Digest>> {
  const found = new Set<Digest>();
  const add = (text: string): void => {
    for (const [digest] of text.matchAll(/sha256:[0-9a-f]{64}/g)) found.add(digest as Digest);
  };
  // The journal before the engine and the records: a run that ends meanwhile is found in one of them.
  for (const text of journal.texts()) add(text);
  for (const { image, labels } of (await engine?.containers({ signal })) ?? []) add(JSON.stringify([image, labels]));
  const { directory, stack } = registry;
  for (const { kind, name, body } of directory.list({ stack, includeUnreachable: true }))
    if (!followers.includes(kind)) add(JSON.stringify([name, body]));

  const usedAt = new Map<string, number>(blobs.map(({ digest, usedAtMs }) => [digest, usedAtMs]));
  const holdings = directory.list({ kind: holdingKind, includeUnreachable: true });
  const held = new Set(directory.list({ kind: holdingKind }).flatMap((one) => (one.stack === stack ? [] : [one.name])));
  // With an image the manifest that it came of, which nothing else here names where another stack built it.
  for (const { name, body } of holdings.filter((one) => one.stack === stack))
    if (!held.has(name) || (usedAt.get(name) ?? 0) >= pulledSinceMs)
      add([name, ...body.blobs.map(([hex]) => `sha256:${hex}`)].join(' '));
  return found;
}
