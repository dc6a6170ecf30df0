// How a blob gets into a registry: mounted, or sent in pieces, each gone on with where a cut left it.
import type { Digest } from '../digest.ts';
import { ManifestError } from '../error.ts';
import { leave, type RegistrySession, type SessionAnswer } from './session.ts';

/** A piece of an upload: large enough to cost little, small enough that one sent again costs little too. */
const pieceBytes = 64 * 1024 * 1024;
/** Tries of one blob, whether gone on with or begun anew. */
const maxTries = 5;

interface Options {
  readonly mountFrom: readonly string[];
  readonly signal: AbortSignal;
}

/** Throws `registry-unreachable`, `registry-refused`, or `registry-lied`. */
export async function pushBlob(
  session: RegistrySession,
  repository: string,
  blob: { readonly digest: Digest; readonly size: number },
  read: (range: { readonly offset: number; readonly length: number }) => AsyncIterable<Uint8Array>,
  { mountFrom, signal }: Options,
): Promise<'mounted' | 'pushed'> {
  const { digest, size } = blob;
  const scope = `repository:${repository}:pull,push`;
  const doing = `push ${digest} to "${session.registry}/${repository}"`;
  const begin = async (query = ''): Promise<SessionAnswer> => {
    const answer = await session.ask({
      method: 'POST',
      place: `/v2/${repository}/blobs/uploads/${query}`,
      body: { size: 0, open: () => new Uint8Array() },
      scope,
      signal,
    });
    if (answer.status !== 201 && answer.status !== 202) throw await session.refusal(doing, answer);
    await leave(answer);
    return answer;
  };
  let begun: SessionAnswer | undefined;
  for (const from of mountFrom) {
    if (from === repository) continue;
    const answer = await begin(`?${new URLSearchParams({ mount: digest, from }).toString()}`);
    if (answer.status === 201) return 'mounted';
    begun = answer;
  }
  begun ??= await begin();
  let place = session.resolve(begun.headers['location'], begun.url);
  let offset = 0;
  for (let tries = 1; ; ) {
    const length = Math.min(pieceBytes, size - offset);
    const isLast = offset + length === size;
    const target = isLast ? withDigest(place, digest) : place;
    const start = offset;
    try {
      const answer = await session.ask({
        method: isLast ? 'PUT' : 'PATCH',
        place: target,
        headers: {
          'content-type': 'application/octet-stream',
          ...(size > pieceBytes && length > 0 && { 'content-range': `${start}-${start + length - 1}` }),
        },
        body: { size: length, open: () => (length === 0 ? new Uint8Array() : read({ offset: start, length })) },
        scope,
        tries: 1,
        signal,
      });
      if (answer.status === 201) {
        await leave(answer);
        return 'pushed';
      }
      if (answer.status === 202 && !isLast) {
        await leave(answer);
        place = session.resolve(answer.headers['location'], answer.url);
        offset += length;
        continue;
      }
      if (answer.status !== 416 && answer.status !== 404) throw await session.refusal(doing, answer);
      await leave(answer);
      if (tries >= maxTries) throw session.lied(`it loses the upload of ${digest}`);
    } catch (error) {
      signal.throwIfAborted();
      const mayPass = error instanceof ManifestError && error.code === 'registry-unreachable';
      if (!mayPass || tries >= maxTries) throw error;
    }
    tries += 1;
    await session.pause(tries, signal);
    const rest = await reached(session, place, scope, signal);
    if (rest !== undefined && rest.offset <= size) ({ place, offset } = rest);
    else {
      const anew = await begin();
      place = session.resolve(anew.headers['location'], anew.url);
      offset = 0;
    }
  }
}

/** How far an upload got; undefined where the registry has it no longer. */
async function reached(
  session: RegistrySession,
  place: URL,
  scope: string,
  signal: AbortSignal,
): Promise<{ place: URL; offset: number } | undefined> {
  const answer = await session.ask({ method: 'GET', place, scope, signal });
  await leave(answer);
  if (answer.status !== 204 && answer.status !== 200 && answer.status !== 202) return undefined;
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.headers['range'] ?? '')?.[1];
  if (last === undefined) return undefined;
  const location = answer.headers['location'];
  // "0-0" stands for nothing at all as well as for one byte: such an upload is begun anew.
  if (last === '0') return undefined;
  return { place: location === undefined ? place : session.resolve(location, answer.url), offset: Number(last) + 1 };
}

function withDigest(place: URL, digest: Digest): URL {
  const url = new URL(place);
  url.searchParams.set('digest', digest);
  return url;
}
