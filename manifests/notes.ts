// What is remembered beside the blobs: which image and which layer came of which inputs. A note that rotted is no note.
import type { BlobInfo, BlobStore } from './blobs.ts';
import { canonicalJson, type Digest, digestOf } from './digest.ts';
import type { Node } from './filesystem.ts';

/** An image as it is known by its build key. */
export interface ImageNote {
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly sizeBytes: number;
}

/** A layer, and what it leaves at each path for those above it. */
export interface LayerNote {
  readonly layer: BlobInfo;
  readonly nodes: Readonly<Record<string, Node>>;
}

/** The image of a build key, where all of its blobs are still there. */
export async function readImageNote(blobs: BlobStore, buildKey: Digest): Promise<ImageNote | undefined> {
  const note = await readNote<{ image: ImageNote; blobs: Digest[] }>(blobs, noteOf('images', buildKey));
  if (note === undefined) return undefined;
  for (const digest of note.blobs) if (!(await blobs.has(digest))) return undefined;
  return note.image;
}

export async function writeImageNote(
  blobs: BlobStore,
  buildKey: Digest,
  note: { readonly image: ImageNote; readonly blobs: readonly Digest[] },
): Promise<void> {
  await writeNote(blobs, noteOf('images', buildKey), note);
}

/** The layer that came of these inputs, where it is still there. `kind` keeps keys of different kinds apart. */
export async function readLayerNote(blobs: BlobStore, kind: string, inputs: unknown): Promise<LayerNote | undefined> {
  const note = await readNote<LayerNote>(blobs, layerNoteOf(kind, inputs));
  return note && (await blobs.has(note.layer.digest)) ? note : undefined;
}

export async function writeLayerNote(blobs: BlobStore, kind: string, inputs: unknown, note: LayerNote): Promise<void> {
  await writeNote(blobs, layerNoteOf(kind, inputs), note);
}

/** Any other small thing that may be forgotten. */
export async function readPlainNote<Note>(
  blobs: BlobStore,
  kind: 'inputs' | 'bases' | 'catalogues' | 'referrers' | 'secrets',
  key: unknown,
): Promise<Note | undefined> {
  return await readNote<Note>(blobs, noteOf(kind, digestOf(canonicalJson(key))));
}

export async function writePlainNote(
  blobs: BlobStore,
  kind: 'inputs' | 'bases' | 'catalogues' | 'referrers' | 'secrets',
  key: unknown,
  note: object,
): Promise<void> {
  await writeNote(blobs, noteOf(kind, digestOf(canonicalJson(key))), note);
}

/** Notes are written whole by this room alone, so they are read without a schema; their sum tells what a disk made of them since. */
async function readNote<Note>(blobs: BlobStore, name: string): Promise<Note | undefined> {
  const [sum, body = ''] = (await blobs.readNote(name))?.split('\n', 2) ?? [];
  return sum === digestOf(body) ? (JSON.parse(body) as Note) : undefined;
}

async function writeNote(blobs: BlobStore, name: string, note: object): Promise<void> {
  const body = JSON.stringify(note);
  await blobs.writeNote(name, `${digestOf(body)}\n${body}`);
}

function layerNoteOf(kind: string, inputs: unknown): string {
  return noteOf('layers', digestOf(`hermesh-layer/1\0${kind}\0${canonicalJson(inputs)}`));
}

function noteOf(kind: string, key: Digest): string {
  return `${kind}/${key.slice('sha256:'.length)}.json`;
}
