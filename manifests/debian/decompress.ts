// How the members of a .deb are decompressed as a stream: xz by liblzma in WebAssembly, gzip and zstd by Node, each bounded.
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { ManifestError } from '../error.ts';

/** How a member is compressed, by the end of its name. */
export type Compression = 'none' | 'gz' | 'xz' | 'zst';

/**
 * Beyond `freeBytes`, what is unpacked is at most `maxRatio` times what was packed. Packages and layers shrink to a twentieth at
 * most; gzip can make a thousandth of zeros, zstd and xz far less.
 */
const freeBytes = 256 * 1024 ** 2;
const maxRatio = 200;

/** The decompressed bytes; throws `too-large` past `maxBytes` or for a bomb, soon after it is seen, and `invalid-package` for damage. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  { maxBytes }: { readonly maxBytes: number },
): AsyncIterable<Uint8Array> {
  let bytes = 0;
  let packed = 0;
  const counted = async function* () {
    for await (const chunk of source) {
      packed += chunk.length;
      yield chunk;
    }
  };
  for await (const chunk of guarded(plainOf(counted(), compression), compression)) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new ManifestError('too-large', `Cannot unpack the package: it has more than ${maxBytes} bytes unpacked`);
    }
    if (compression !== 'none' && bytes > freeBytes && bytes > maxRatio * packed) {
      const state = `its ${packed} bytes unpack to ${bytes} and more, which no package does`;
      throw new ManifestError('too-large', `Cannot unpack the package: ${state}`);
    }
    yield chunk;
  }
}

function plainOf(source: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  if (compression === 'none') return source;
  if (compression === 'xz') return unxzWhenNeeded(source);
  const stream = compression === 'gz' ? createGunzip() : createZstdDecompress();
  // Whoever reads the stream is told of its faults, and of those of its source; `compose` throws some of them at nobody.
  pipeline(Readable.from(source, { objectMode: false }), stream, () => {});
  return stream;
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
