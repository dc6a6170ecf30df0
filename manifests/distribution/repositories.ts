// What each repository of this registry holds: manifests with what they name, tags, and blobs that were pushed ahead of a manifest.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { BlobStore } from '../blobs.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { maxManifestBytes, parseDocument, type RegistryDocument } from './documents.ts';

/** A manifest of a repository, by what it names. */
export interface HeldManifest {
  readonly mediaType: string;
  readonly size: number;
  readonly blobs: readonly Digest[];
  readonly manifests: readonly Digest[];
  readonly subject?: Digest;
  readonly artifactType?: string;
}

/** A repository at one moment; it is never changed, only replaced. */
export interface Repository {
  readonly name: string;
  readonly manifests: Readonly<Record<Digest, HeldManifest>>;
  readonly tags: Readonly<Record<string, Digest>>;
  /** Blobs that no manifest names yet, the newest last. */
  readonly loose: readonly Digest[];
}

export interface Repositories {
  names(): Promise<readonly string[]>;
  /** Undefined where nothing was ever pushed there. */
  read(name: string): Promise<Repository | undefined>;
  /** One change of a repository at a time, durable before it resolves; what `change` throws changes nothing. */
  change(name: string, change: (repository: Repository) => Repository): Promise<Repository>;
  /** What a manifest of the store names; undefined where it isn't here, or is none. */
  document(digest: Digest): Promise<HeldManifest | undefined>;
  /** Adds an image of the store with all that it names, as a push does. Throws `invalid-image` or `missing-blob`. */
  add(name: string, digest: Digest, options?: { readonly tag?: string }): Promise<void>;
}

/** Many years of daily builds; the note of such a repository has about 20 MB. */
const maxManifests = 10_000;
const maxTags = 10_000;
/** What pushes that go on at once leave until their manifests come. */
const maxLoose = 10_000;
/** Repositories whose notes are held in memory. */
const maxCached = 100;
/** Documents that are held in memory, of about 2 KB each. */
const maxDocuments = 1_000;

export function openRepositories(blobs: BlobStore): Repositories {
  const cached = new Map<string, Repository>();
  const documents = new Map<Digest, HeldManifest>();
  const turns = new Map<string, Promise<unknown>>();

  const read = async (name: string): Promise<Repository | undefined> => {
    const known = cached.get(name);
    if (known) return known;
    const note = await blobs.readNote(noteOf(name));
    const found = note === undefined ? undefined : parseNote(note);
    return found ? (cached.get(name) ?? remember(found)) : undefined;
  };
  const remember = (repository: Repository): Repository => {
    cached.delete(repository.name);
    cached.set(repository.name, repository);
    const [oldest] = cached.keys();
    if (cached.size > maxCached && oldest !== undefined) cached.delete(oldest);
    return repository;
  };
  const change: Repositories['change'] = async (name, changing) => {
    const act = async (): Promise<Repository> => {
      const before = (await read(name)) ?? { name, manifests: {}, tags: {}, loose: [] };
      const after = changing(before);
      if (after === before) return before;
      checkBounds(after);
      const body = JSON.stringify(after);
      await blobs.writeNote(noteOf(name), `${digestOf(body)}\n${body}`);
      return remember(after);
    };
    const turn = (turns.get(name) ?? Promise.resolve()).then(act, act);
    turns.set(name, turn);
    try {
      return await turn;
    } finally {
      if (turns.get(name) === turn) turns.delete(name);
    }
  };

  return {
    read,
    change,
    async document(digest) {
      const known = documents.get(digest);
      if (known) return known;
      const size = await blobs.size(digest);
      if (size === undefined || size > maxManifestBytes) return undefined;
      const document = await readDocument(blobs, digest).catch((error: unknown) => {
        if (error instanceof ManifestError) return undefined;
        throw error;
      });
      if (!document) return undefined;
      const [oldest] = documents.keys();
      if (documents.size >= maxDocuments && oldest !== undefined) documents.delete(oldest);
      const held = heldOf(document, document.size);
      documents.set(digest, held);
      return held;
    },
    async names() {
      const files = await readdir(path.join(blobs.directory, folder)).catch(() => []);
      const found: string[] = [];
      for (const file of files) {
        const name = parseNote((await blobs.readNote(`${folder}/${file}`)) ?? '')?.name;
        if (name !== undefined) found.push(name);
      }
      return found.sort();
    },
    async add(name, digest, { tag } = {}) {
      const found = await closureOf(blobs, digest);
      await change(name, (before) => {
        const after = [...found].reduce((one, [each, held]) => withManifest(one, each, held), before);
        return tag === undefined ? after : { ...after, tags: { ...after.tags, [tag]: digest } };
      });
    },
  };
}

/** The repository with one more manifest; what it names is loose no longer. */
export function withManifest(repository: Repository, digest: Digest, held: HeldManifest): Repository {
  const named = new Set(held.blobs);
  return {
    ...repository,
    manifests: { ...repository.manifests, [digest]: held },
    loose: repository.loose.filter((one) => !named.has(one)),
  };
}

/** The repository with one more blob that awaits its manifest; the oldest gives way. */
export function withLoose(repository: Repository, digest: Digest): Repository {
  if (holdsBlob(repository, digest)) return repository;
  return { ...repository, loose: [...repository.loose, digest].slice(-maxLoose) };
}

/** Without a manifest, and without the tags that lead to it. */
export function withoutManifest(repository: Repository, digest: Digest): Repository {
  const { [digest]: _, ...manifests } = repository.manifests;
  const tags = Object.fromEntries(Object.entries(repository.tags).filter(([, named]) => named !== digest));
  return { ...repository, manifests, tags };
}

/** Whether a blob may be read through a repository: a manifest of it names the blob, or it was pushed there. */
export function holdsBlob(repository: Repository, digest: Digest): boolean {
  let known = blobSets.get(repository);
  if (!known) {
    known = new Set([...Object.values(repository.manifests).flatMap((held) => held.blobs), ...repository.loose]);
    blobSets.set(repository, known);
  }
  return known.has(digest);
}
const blobSets = new WeakMap<Repository, Set<Digest>>();

/** What stands of a document in a repository. */
export function heldOf(document: RegistryDocument, size: number): HeldManifest {
  const { mediaType, config, layers, manifests, subject, artifactType } = document;
  return {
    mediaType,
    size,
    blobs: [...(config ? [config] : []), ...layers].map(({ digest }) => digest),
    manifests: manifests.map(({ digest }) => digest),
    ...(subject && { subject: subject.digest }),
    ...(artifactType !== undefined && { artifactType }),
  };
}

/** A document of the store. Throws `missing-blob`, `too-large`, or `invalid-image`. */
export async function readDocument(blobs: BlobStore, digest: Digest): Promise<RegistryDocument & { size: number }> {
  const bytes = await blobs.bytes(digest, { maxBytes: maxManifestBytes });
  return { ...parseDocument(bytes), size: bytes.length };
}

/** The image's manifests, each before what names it; an index leads to manifests, and to indexes four deep. */
async function closureOf(
  blobs: BlobStore,
  digest: Digest,
  found = new Map<Digest, HeldManifest>(),
  depth = 0,
): Promise<Map<Digest, HeldManifest>> {
  if (found.has(digest)) return found;
  if (depth > 4) throw new ManifestError('invalid-image', `Cannot read the image ${digest}: indexes lead too deep`);
  const document = await readDocument(blobs, digest);
  for (const child of document.manifests)
    if (await blobs.has(child.digest)) await closureOf(blobs, child.digest, found, depth + 1);
  return found.set(digest, heldOf(document, document.size));
}

const folder = 'repositories';

function noteOf(name: string): string {
  return `${folder}/${digestOf(name).slice('sha256:'.length)}.json`;
}

/** Written whole by this room alone; a note that rotted is none. */
function parseNote(text: string): Repository | undefined {
  const [sum, body = ''] = text.split('\n', 2);
  return sum === digestOf(body) ? (JSON.parse(body) as Repository) : undefined;
}

function checkBounds({ name, manifests, tags }: Repository): void {
  const what =
    Object.keys(manifests).length > maxManifests
      ? `${maxManifests} manifests`
      : Object.keys(tags).length > maxTags
        ? `${maxTags} tags`
        : undefined;
  if (what === undefined) return;
  throw new ManifestError(
    'too-large',
    `Cannot keep more in the repository "${name}": it has ${what}; delete some first`,
  );
}
