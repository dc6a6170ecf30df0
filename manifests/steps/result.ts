// How what a step left in /out becomes a layer: read once within bounds, checked, and written again in the one canonical form.
import { readTar } from '#manifests/debian';
import { type BlobInfo, type BlobStore, writeAll } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { readRange } from '../layers.ts';
import { type TarEntry, writeTar } from '../tar.ts';
import type { StepLimits } from './step-runner.ts';

/** Below its root: the name that the runner's tar gives it. */
const runnersRoot = 'out';

interface Checks {
  readonly blobs: BlobStore;
  readonly epochSeconds: number;
  readonly limits: Pick<StepLimits, 'maxBytes' | 'maxEntries'>;
  readonly signal: AbortSignal;
}

/**
 * The canonical tar of a raw one: modes 0644 or 0755, no owners, one time, hard links as files, in order.
 * Throws `step-failed` for what no layer may hold: devices, links that lead out, names that fall together; `too-large` beyond the limits.
 */
export async function canonicalResult(raw: AsyncIterable<Uint8Array>, checks: Checks): Promise<BlobInfo> {
  return await canonicalBelow(runnersRoot, raw, checks);
}

/** Whether a blob is byte for byte what `canonicalResult` would make of its content. */
export async function isCanonicalResult(digest: Digest, checks: Checks): Promise<boolean> {
  try {
    return (await canonicalBelow('', checks.blobs.read(digest), checks)).digest === digest;
  } catch (error) {
    if (error instanceof ManifestError && ['step-failed', 'too-large'].includes(error.code)) return false;
    throw error;
  }
}

async function canonicalBelow(
  root: string,
  raw: AsyncIterable<Uint8Array>,
  { blobs, epochSeconds, limits: { maxBytes, maxEntries }, signal }: Checks,
): Promise<BlobInfo> {
  await using scratch = await blobs.scratch();
  const entries = new Map<string, TarEntry>();
  const names = new Map<string, string>();
  const owner = { uid: 0, gid: 0 };
  let offset = 0;
  for await (const entry of readResult(raw)) {
    signal.throwIfAborted();
    const path = belowRoot(root, entry.path);
    if (path === '') continue;
    if (entries.size >= maxEntries)
      throw new ManifestError('too-large', `it holds more than ${maxEntries} files; leave less in /out`);
    tellApart(path, names);
    if (entry.type === 'directory') entries.set(path, { path, type: 'directory', mode: 0o755, ...owner });
    else if (entry.type === 'symlink') {
      stayInside(path, entry.target);
      entries.set(path, { path, type: 'symlink', target: entry.target, mode: 0o777, ...owner });
    } else if (entry.type === 'hardlink') {
      const linked = entries.get(belowRoot(root, entry.target));
      if (linked?.type !== 'file') throw refuse(path, `is a hard link to "${entry.target}", which is not before it`);
      entries.set(path, { ...linked, path });
    } else {
      const { size, mode } = entry;
      const start = offset;
      offset += size;
      if (offset > maxBytes)
        throw new ManifestError('too-large', `it holds more than ${maxBytes} bytes; leave less in /out`);
      for await (const chunk of entry.content) await writeAll(scratch.handle, chunk);
      const content = () => readRange(scratch.handle, start, size);
      entries.set(path, { path, type: 'file', mode: (mode & 0o111) === 0 ? 0o644 : 0o755, size, content, ...owner });
    }
  }
  // Headers, and hard links that became files, come on top of the content.
  const tarBytes = 4 * maxBytes + maxEntries * 8192;
  return await blobs.write(writeTar(entries.values(), { epochSeconds }), { maxBytes: tarBytes, signal });
}

async function* readResult(raw: AsyncIterable<Uint8Array>): ReturnType<typeof readTar> & AsyncGenerator {
  try {
    yield* readTar(raw);
  } catch (error) {
    if (!(error instanceof ManifestError) || error.code !== 'invalid-package') throw error;
    const state = error.message.replace(/^Cannot read the (?:tar|package): /, '');
    throw new ManifestError('step-failed', `Cannot use what is in /out: ${state}`, { cause: error });
  }
}

function belowRoot(root: string, path: string): string {
  if (path === root || path === '') return '';
  if (root === '') return path;
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
}

function tellApart(path: string, names: Map<string, string>): void {
  const folded = path.normalize('NFC').toLowerCase();
  const other = names.get(folded);
  if (other !== undefined && other !== path)
    throw refuse(path, `falls together with "${other}" where case or form is not told apart`);
  names.set(folded, path);
}

function stayInside(path: string, target: string): void {
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..' && parts.pop() === undefined) throw leadsOut(path, target);
    else if (part !== '..' && part !== '.' && part !== '') parts.push(part);
  }
  if (target.startsWith('/')) throw leadsOut(path, target);
}

function leadsOut(path: string, target: string): ManifestError {
  return refuse(
    path,
    `is a link to "${target}", which leads out of /out; copy what it points at, or link it relatively`,
  );
}

function refuse(path: string, state: string): ManifestError {
  return new ManifestError('step-failed', `Cannot use what is in /out: "${path}" ${state}`);
}
