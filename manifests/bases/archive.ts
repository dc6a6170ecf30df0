// How an image is read from the tar that `docker save` writes: spooled to one scratch file, then read by the places of its parts.
import { z } from 'zod';
import { readTar } from '#manifests/debian';
import type { Scratch } from '../blobs.ts';
import { writeAll } from '../blobs.ts';
import { type Digest, digestOf } from '../digest.ts';
import { ManifestError } from '../error.ts';
import type { OpenedImage } from './base-source.ts';
import { invalidBase } from './image-json.ts';

/** Twice the largest image that registries commonly take. */
const maxArchiveBytes = 16 * 1024 ** 3;
const maxJsonBytes = 4 * 1024 * 1024;
const pieceBytes = 256 * 1024;
const listSchema = z
  .array(z.object({ Config: z.string().max(4096), Layers: z.array(z.string().max(4096)).max(1000) }))
  .min(1)
  .max(1);

interface Part {
  readonly offset: number;
  readonly size: number;
}

/**
 * Opens the one image of an archive, whose config must have that digest; its layers are plain tars. The scratch file is the
 * image's from now on. Throws `invalid-base` or `too-large`.
 */
export async function openArchive(
  archive: AsyncIterable<Uint8Array>,
  image: Digest,
  scratch: Scratch,
): Promise<OpenedImage> {
  await using owned = new AsyncDisposableStack();
  owned.use(scratch);
  const { parts, links } = await spool(archive, scratch);
  const partOf = (name: string): Part => {
    const part = parts.get(links.get(name) ?? name);
    if (!part) throw invalidBase(`the engine's archive lacks "${name}"`);
    return part;
  };
  const small = async (name: string): Promise<Buffer> => {
    const part = partOf(name);
    if (part.size > maxJsonBytes) throw invalidBase(`"${name}" has ${part.size} bytes, at most ${maxJsonBytes}`);
    return Buffer.concat(await Array.fromAsync(readPart(scratch, part)));
  };
  const list = listSchema.safeParse(parseJson(await small('manifest.json')));
  const [found] = list.data ?? [];
  if (!found) throw invalidBase("the engine's archive lists no single image", list.error);
  const config = await small(found.Config);
  if (digestOf(config) !== image) throw invalidBase(`the engine gives ${digestOf(config)} for ${image}`);
  const layers = found.Layers.map(partOf);
  const kept = owned.move();
  return {
    kind: 'image',
    config,
    layers: layers.map((part) => ({ compression: 'none' as const, read: () => readPart(scratch, part) })),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function spool(archive: AsyncIterable<Uint8Array>, scratch: Scratch) {
  const parts = new Map<string, Part>();
  const links = new Map<string, string>();
  let offset = 0;
  for await (const entry of readTar(archive)) {
    // Docker before 25 links layers of one content to one another.
    if (entry.type === 'symlink' || entry.type === 'hardlink') {
      const target =
        entry.type === 'symlink' ? new URL(entry.target, `file:///${entry.path}`).pathname.slice(1) : entry.target;
      links.set(entry.path, target);
    }
    if (entry.type !== 'file') continue;
    const start = offset;
    for await (const chunk of entry.content) {
      offset += chunk.length;
      if (offset > maxArchiveBytes)
        throw new ManifestError('too-large', `Cannot use the base: it has more than ${maxArchiveBytes} bytes`);
      await writeAll(scratch.handle, chunk);
    }
    parts.set(entry.path, { offset: start, size: offset - start });
  }
  return { parts, links };
}

async function* readPart({ handle }: Scratch, { offset, size }: Part): AsyncIterable<Uint8Array> {
  for (let at = 0; at < size; ) {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - at));
    const { bytesRead } = await handle.read(piece, 0, piece.length, offset + at);
    if (bytesRead === 0) throw invalidBase("the engine's archive is cut");
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw invalidBase("the engine's archive is damaged", cause);
  }
}
