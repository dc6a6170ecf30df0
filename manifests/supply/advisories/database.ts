// A database of advisories in a folder: parts that are imported as a whole, each in shards by package, so that one package is asked of little.
import { createHash, randomUUID } from 'node:crypto';
import { appendFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type Advisory, packageKeys, parseAdvisory } from '#manifests/supply/policy';
import { ManifestError } from '../../error.ts';
import { readRecords } from './records.ts';

/** What stands of one import. */
export interface ImportedPart {
  readonly name: string;
  /** Milliseconds since 1970: when its newest record was changed. */
  readonly madeAt: number;
  readonly records: number;
  /** Package URL types that it tells of. */
  readonly ecosystems: readonly string[];
}

export interface AdvisoryDatabase {
  readonly parts: readonly ImportedPart[];
  /** The advisories that name these packages (`packageKeys` of the policies), each once, as its newest record has it. */
  of(keys: Iterable<string>): Promise<readonly Advisory[]>;
}

/** Some 100 KB a shard of the largest public database. */
const shards = 1024;
/** One an ecosystem, and some of an operator's own. */
const maxParts = 64;
/** What is held of shards before it is written. */
const maxHeldCharacters = 16 * 1024 * 1024;
const maxSummary = 200;

const partSchema = z.object({
  folder: z.uuid(),
  madeAt: z.number(),
  records: z.int(),
  ecosystems: z.array(z.string()),
});
const indexSchema = z.object({ version: z.literal(1), parts: z.record(z.string(), partSchema) });
type Index = z.infer<typeof indexSchema>;

/** Imports a folder, a zip or a record under a name, in place of what had it. Throws what `readRecords` throws, or `invalid-package`. */
export async function importAdvisories(
  directory: string,
  source: string,
  { name, signal }: { readonly name: string; readonly signal: AbortSignal },
): Promise<ImportedPart & { readonly passedOver: number }> {
  const folder = randomUUID();
  const made = path.join(directory, folder);
  await mkdir(made, { recursive: true, mode: 0o700 });
  try {
    const counts = await fill(made, source, signal);
    if (counts.records === 0)
      throw new ManifestError(
        'invalid-package',
        `Cannot import "${source}": none of its ${counts.passedOver} files is an OSV record that holds`,
      );
    const { passedOver, ...part } = counts;
    const before = await readIndex(directory);
    const after: Index = { version: 1, parts: { ...before.parts, [name]: { folder, ...part } } };
    if (Object.keys(after.parts).length > maxParts)
      throw new ManifestError(
        'too-large',
        `Cannot import "${name}": there are ${maxParts} parts; import it under the name of one`,
      );
    await writeIndex(directory, after);
    await removeOthers(directory, after);
    return { name, ...part, passedOver };
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
}

/** What is here; without parts where nothing was imported. */
export async function openAdvisories(directory: string): Promise<AdvisoryDatabase> {
  const { parts } = await readIndex(directory);
  return {
    parts: Object.entries(parts)
      .map(([name, { folder: _, ...part }]) => ({ name, ...part }))
      .sort((left, right) => (left.name < right.name ? -1 : 1)),
    async of(keys) {
      const wanted = new Map<string, Set<string>>();
      for (const key of keys) wanted.set(shardOf(key), (wanted.get(shardOf(key)) ?? new Set()).add(key));
      const newest = new Map<string, Advisory>();
      for (const { folder } of Object.values(parts))
        for (const [shard, inIt] of wanted)
          for (const [key, advisory] of await readShard(path.join(directory, folder, shard), inIt)) {
            const known = newest.get(`${advisory.id} ${key}`);
            if (known === undefined || known.modified < advisory.modified)
              newest.set(`${advisory.id} ${key}`, advisory);
          }
      return [...newest.values()];
    },
  };
}

async function fill(folder: string, source: string, signal: AbortSignal) {
  const held = new Map<string, string[]>();
  const ecosystems = new Set<string>();
  let [records, passedOver, madeAt, characters] = [0, 0, 0, 0];
  const flush = async (): Promise<void> => {
    for (const [shard, lines] of held) await appendFile(path.join(folder, shard), lines.join(''), { mode: 0o600 });
    held.clear();
    characters = 0;
  };
  for await (const text of readRecords(source)) {
    signal.throwIfAborted();
    const advisory = text === undefined ? undefined : parseAdvisory(text);
    if (advisory === undefined) {
      passedOver += 1;
      continue;
    }
    records += 1;
    madeAt = Math.max(madeAt, Date.parse(advisory.modified));
    if (advisory.withdrawn !== undefined) continue;
    for (const [key, affected] of packageKeys(advisory)) {
      const { aliases, database_specific, summary, ...rest } = advisory;
      const line = JSON.stringify({
        ...rest,
        affected,
        aliases: aliases.slice(0, 20),
        ...(summary !== undefined && { summary: summary.slice(0, maxSummary) }),
        ...(database_specific?.severity !== undefined && {
          database_specific: { severity: database_specific.severity },
        }),
      });
      ecosystems.add(key.slice(0, key.indexOf(' ')));
      const lines = held.get(shardOf(key)) ?? [];
      lines.push(`${key}\t${line}\n`);
      held.set(shardOf(key), lines);
      characters += line.length;
      if (characters > maxHeldCharacters) await flush();
    }
  }
  await flush();
  return { records, passedOver, madeAt, ecosystems: [...ecosystems].sort() };
}

async function readShard(file: string, wanted: ReadonlySet<string>): Promise<[string, Advisory][]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line): [string, Advisory][] => {
    const tab = line.indexOf('\t');
    const key = line.slice(0, Math.max(0, tab));
    const advisory = wanted.has(key) ? parseAdvisory(line.slice(tab + 1)) : undefined;
    return advisory ? [[key, advisory]] : [];
  });
}

function shardOf(key: string): string {
  return (createHash('sha256').update(key).digest().readUInt16BE() % shards).toString(16).padStart(3, '0');
}

async function readIndex(directory: string): Promise<Index> {
  const text = await readFile(path.join(directory, 'index.json'), 'utf8').catch(() => undefined);
  const none: Index = { version: 1, parts: {} };
  if (text === undefined) return none;
  try {
    return indexSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ManifestError(
      'invalid-package',
      `Cannot read the advisories in "${directory}": their index is damaged; remove the folder and import them again`,
      { cause },
    );
  }
}

async function writeIndex(directory: string, index: Index): Promise<void> {
  const temporary = path.join(directory, `index.${randomUUID()}.tmp`);
  await using handle = await open(temporary, 'w', 0o600);
  await handle.writeFile(JSON.stringify(index));
  await handle.sync();
  await rename(temporary, path.join(directory, 'index.json'));
}

/** What no part is in: of the part before, and of an import that was broken off. */
async function removeOthers(directory: string, { parts }: Index): Promise<void> {
  const kept = new Set(['index.json', ...Object.values(parts).map(({ folder }) => folder)]);
  for (const name of await readdir(directory))
    if (!kept.has(name)) await rm(path.join(directory, name), { recursive: true, force: true });
}
