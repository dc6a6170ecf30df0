// How the members of a .deb are decompressed as a stream: xz by liblzma in WebAssembly, gzip and zstd by Node, each bounded.
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { ManifestError } from '../error.ts';

/** How a member is compressed, by the end of its name. */
export type Compression = 'none' | 'gz' | 'xz' | 'zst';

/** The decompressed bytes; throws `too-large` past `maxBytes`, so that a bomb costs no more, and `invalid-package` for damage. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  { maxBytes }: { readonly maxBytes: number },
): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of guarded(plainOf(source, compression), compression)) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new ManifestError('too-large', `Cannot unpack the package: it has more than ${maxBytes} bytes unpacked`);
    }
    yield chunk;
  }
}

function plainOf(source: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  if (compression === 'none') return source;
  if (compression === 'xz') return unxzWhenNeeded(source);
  const stream = compression === 'gz' ? createGunzip() : createZstdDecompress();
  return Readable.from(source, { objectMode: false }).compose(stream);
}

async function* guarded(source: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    if (error instanceof ManifestError || (error instanceof Error && error.name === 'AbortError')) throw error;
    throw new ManifestError('invalid-package', `Cannot unpack the package: its ${compression} data is damaged`, {
      cause: error,
    });
  }
}

/** The module of liblzma is loaded by the first package that needs it: most processes unpack none. */
async function* unxzWhenNeeded(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const { unxz } = await import('./xz.ts');
  yield* unxz(source);
}
