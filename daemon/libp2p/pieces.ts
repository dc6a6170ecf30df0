// An answer that is sent and read piece by piece on a libp2p stream: back-pressure both ways, and no piece waits for the last.
import type { Connection, Stream } from '@libp2p/interface';
import { type ProtocolOptions, RegistryError, type RequestOptions } from '#registry';
import { asRegistryError, chunkBytes, openStream, receive, send, timedOut } from './exchange.ts';

/** What was read and isn't taken yet; beyond it the other side is held back, and beyond that by the window of the muxer. */
const maxUnreadBytes = 512 * 1024;

/** What was made and doesn't fit into the window of the muxer yet. */
const maxUnsentBytes = 128 * 1024;

/** Asks, and gives what comes as it comes; who stops reading ends the stream. */
export async function* askInPieces(
  connection: Connection,
  protocol: string,
  request: Uint8Array,
  { signal, maxResponseBytes }: RequestOptions,
): AsyncIterable<Uint8Array> {
  let stream: Stream | undefined;
  let isDone = false;
  let size = 0;
  const abort = (): void => stream?.abort(timedOut(signal));
  try {
    stream = await openStream(connection, protocol, { signal });
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const pieces = readPieces(stream);
    await send(stream, request, { signal });
    for await (const piece of pieces) {
      size += piece.byteLength;
      if (size > maxResponseBytes) {
        throw new RegistryError('too-large', `Cannot read an answer of more than ${maxResponseBytes} bytes`);
      }
      yield piece;
    }
    signal.throwIfAborted();
    isDone = true;
  } catch (error) {
    throw asRegistryError(error, connection, protocol, signal);
  } finally {
    signal.removeEventListener('abort', abort);
    if (!isDone) stream?.abort(new Error('the answer is read no further'));
  }
}

/** Reads the request and sends what is made of it; each piece may take the protocol's time. */
export async function answerInPieces(
  stream: Stream,
  { maxRequestBytes, timeoutMs }: ProtocolOptions,
  { signal }: { signal: AbortSignal },
  handler: (request: Uint8Array) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const limit = (): { signal: AbortSignal } => ({ signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  for await (const piece of handler(await receive(stream, maxRequestBytes, limit()))) {
    for (let at = 0; at < piece.byteLength; at += chunkBytes) {
      stream.send(piece.subarray(at, at + chunkBytes));
      if (stream.writeBufferLength > maxUnsentBytes) await drained(stream, limit());
    }
  }
  await stream.close(limit());
}

/** Resolves once enough was sent. The stream's own `onDrain` waits only the first time. */
function drained(stream: Stream, { signal }: { signal: AbortSignal }): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (act: () => void): void => {
      for (const event of ['drain', 'idle', 'close'] as const) stream.removeEventListener(event, look);
      signal.removeEventListener('abort', look);
      act();
    };
    // What drains is sent in a microtask of its own, before this one.
    const look = (): void =>
      queueMicrotask(() => {
        if (signal.aborted) end(() => reject(timedOut(signal)));
        else if (stream.status !== 'open') end(() => reject(new Error('the stream is gone')));
        else if (stream.writeBufferLength <= maxUnsentBytes) end(resolve);
      });
    for (const event of ['drain', 'idle', 'close'] as const) stream.addEventListener(event, look);
    signal.addEventListener('abort', look, { once: true });
    look();
  });
}

/** Listens from now on. The stream's own iterator holds nobody back; this one pauses the stream while enough is unread. */
function readPieces(stream: Stream): AsyncIterable<Uint8Array> {
  const unread: Uint8Array[] = [];
  let unreadBytes = 0;
  let isEnded = false;
  let fault: Error | undefined;
  let wake = (): void => undefined;
  stream.addEventListener('message', ({ data }) => {
    const piece = data instanceof Uint8Array ? data : data.subarray();
    unread.push(piece);
    unreadBytes += piece.byteLength;
    if (unreadBytes > maxUnreadBytes && stream.readStatus === 'readable') stream.pause();
    wake();
  });
  stream.addEventListener('remoteCloseWrite', () => {
    isEnded = true;
    wake();
  });
  stream.addEventListener('close', ({ error }) => {
    isEnded = true;
    fault = error;
    wake();
  });
  return (async function* () {
    while (true) {
      const piece = unread.shift();
      if (piece) {
        unreadBytes -= piece.byteLength;
        yield piece;
      } else if (stream.readStatus === 'paused') stream.resume();
      else if (fault) throw fault;
      else if (isEnded && stream.readBufferLength === 0) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  })();
}
