// The texts of OSV records, wherever they lie: a folder with all below it, a zip, or one file.
import { open, opendir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ManifestError } from '../../error.ts';
import { readZip } from './zip.ts';

/** The largest public records name some 10,000 versions, and have 2 MB. */
const maxRecordBytes = 8 * 1024 * 1024;
/** All that is public has about 600,000. */
const maxRecords = 4_000_000;

/** Throws `missing-source` where nothing is there, and what `readZip` throws; a record that is too large is passed over as undefined. */
export async function* readRecords(source: string): AsyncIterable<string | undefined> {
  const found = await stat(source).catch((cause: unknown) => {
    throw new ManifestError(
      'missing-source',
      `Cannot import "${source}": it is not there; name a folder, a zip or a record`,
      { cause },
    );
  });
  let count = 0;
  for await (const text of found.isDirectory() ? ofFolder(source) : ofFile(source)) {
    count += 1;
    if (count > maxRecords)
      throw new ManifestError('too-large', `Cannot import "${source}": it has more than ${maxRecords} records`);
    yield text;
  }
}

async function* ofFolder(folder: string): AsyncIterable<string | undefined> {
  for await (const entry of await opendir(folder, { recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.json')) continue;
    const file = path.join(entry.parentPath, entry.name);
    yield (await stat(file)).size > maxRecordBytes ? undefined : await readFile(file, 'utf8');
  }
}

async function* ofFile(file: string): AsyncIterable<string | undefined> {
  if (file.endsWith('.json')) {
    yield (await stat(file)).size > maxRecordBytes ? undefined : await readFile(file, 'utf8');
    return;
  }
  await using handle = await open(file);
  for await (const entry of readZip(handle, file)) {
    if (!entry.name.endsWith('.json')) continue;
    yield await entry.read(maxRecordBytes).then(
      (bytes) => bytes.toString('utf8'),
      (error: unknown) => {
        if (error instanceof ManifestError && error.code === 'too-large') return undefined;
        throw error;
      },
    );
  }
}
