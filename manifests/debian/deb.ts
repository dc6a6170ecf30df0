// What a .deb is (deb(5)): an ar archive with debian-binary, control.tar and data.tar; only the data is read, and no script is run.
import { ManifestError } from '../error.ts';
import { ByteReader } from './byte-reader.ts';
import { type Compression, decompress } from './decompress.ts';
import { type ReadEntry, readTar } from './untar.ts';

/** The largest packages of Debian unpack to about 1.5 GiB. */
const maxUnpackedBytes = 4 * 1024 ** 3;

const compressions: Readonly<Record<string, Compression>> = {
  'data.tar': 'none',
  'data.tar.gz': 'gz',
  'data.tar.xz': 'xz',
  'data.tar.zst': 'zst',
};

/**
 * The files of a package, in its order. Throws `invalid-package` for damage, devices and paths that lead out,
 * `too-large` beyond `maxBytes` unpacked (4 GiB unless told).
 */
export async function* readDeb(
  deb: AsyncIterable<Uint8Array>,
  { maxBytes = maxUnpackedBytes }: { readonly maxBytes?: number } = {},
): AsyncIterable<ReadEntry> {
  await using reader = new ByteReader(deb);
  if ((await reader.take(8))?.toString('latin1') !== '!<arch>\n') throw damaged('it is no ar archive');
  for (let first = true; ; first = false) {
    const header = await reader.take(60);
    if (header === undefined) throw damaged('it has no data.tar');
    const name = header.toString('latin1', 0, 16).trim().replace(/\/$/, '');
    const length = header.toString('latin1', 48, 58).trim();
    if (!/^\d{1,10}$/.test(length) || header.toString('latin1', 58, 60) !== '`\n')
      throw damaged('a header of it is wrong');
    const size = Number(length);
    if (first) {
      const version = name === 'debian-binary' && size < 64 ? (await reader.take(size))?.toString('latin1') : undefined;
      if (!version?.startsWith('2.')) throw damaged('it does not begin with "debian-binary" of version 2');
    } else if (name.startsWith('data.tar')) {
      const compression = compressions[name];
      if (compression === undefined) throw damaged(`its "${name}" is compressed in a way that is not known`);
      yield* readTar(decompress(reader.stream(size), compression, { maxBytes }));
      return;
    } else {
      for await (const _ of reader.stream(size));
    }
    await reader.take(size % 2);
  }
}

function damaged(state: string): ManifestError {
  return new ManifestError('invalid-package', `Cannot read the package: ${state}`);
}
