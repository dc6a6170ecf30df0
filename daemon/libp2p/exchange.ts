// One exchange on a stream: each side sends one message, its length first, and ends; anything else is reset.
import type { Connection, Stream } from '@libp2p/interface';
import { RegistryError, type RequestOptions } from '#registry';

/** The length in front of a message: four bytes, big-endian. */
const prefixBytes = 4;
/** Handed to the muxer at once; the rest waits for it to drain. */
export const chunkBytes = 64 * 1024;

/** One request and its answer on a stream of its own. */
export async function ask(
  connection: Connection,
  protocol: string,
  request: Uint8Array,
  { signal, maxResponseBytes }: RequestOptions,
): Promise<Uint8Array> {
  let stream: Stream | undefined;
  try {
    stream = await openStream(connection, protocol, { signal });
    const [answer] = await Promise.all([
      receive(stream, maxResponseBytes, { signal }),
      send(stream, request, { signal }),
    ]);
    return answer;
  } catch (error) {
    stream?.abort(error instanceof Error ? error : new Error(String(error)));
    throw asRegistryError(error, connection, protocol, signal);
  }
}

/** A stream of that protocol; throws `refused` where the other side doesn't serve it, `timed-out`. */
export async function openStream(
  connection: Connection,
  protocol: string,
  { signal }: { signal: AbortSignal },
): Promise<Stream> {
  try {
    return await connection.newStream(protocol, { signal });
  } catch (error) {
    throw asRegistryError(error, connection, protocol, signal);
  }
}

/** Sends the message and ends the writing side. */
export async function send(stream: Stream, message: Uint8Array, { signal }: { signal: AbortSignal }): Promise<void> {
  const whole = new Uint8Array(prefixBytes + message.byteLength);
  new DataView(whole.buffer).setUint32(0, message.byteLength);
  whole.set(message, prefixBytes);
  for (let at = 0; at < whole.byteLength; at += chunkBytes) {
    if (!stream.send(whole.subarray(at, at + chunkBytes))) await stream.onDrain({ signal });
  }
  await stream.close({ signal });
}

/** The one message of the other side; throws `too-large` before more than `maxBytes` is kept, `refused` where it is cut short. */
export async function receive(
  stream: Stream,
  maxBytes: number,
  { signal }: { signal: AbortSignal },
): Promise<Uint8Array> {
  const abort = (): void => stream.abort(timedOut(signal));
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) abort();
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of stream) {
      size += part.byteLength;
      if (size > maxBytes + prefixBytes) {
        throw new RegistryError('too-large', `Cannot read a message of more than ${maxBytes} bytes`);
      }
      parts.push(part instanceof Uint8Array ? part : part.subarray());
    }
    signal.throwIfAborted();
    const whole = Buffer.concat(parts, size);
    if (size < prefixBytes || whole.readUInt32BE(0) !== size - prefixBytes) {
      throw new RegistryError('refused', 'Cannot read a message: the stream ended before it did');
    }
    return new Uint8Array(whole.buffer, whole.byteOffset + prefixBytes, size - prefixBytes);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What an aborted signal comes to here. */
export function timedOut(signal: AbortSignal): RegistryError {
  return new RegistryError('timed-out', 'The exchange was given up before its answer came', { cause: signal.reason });
}

/** What the work comes to, or `timed-out` once the signal is aborted; nothing of it is kept by a signal that lives on. */
export async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(timedOut(signal));
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) abort();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** A fault of the transport as the seam tells it. */
export function asRegistryError(
  error: unknown,
  { remotePeer }: Connection,
  protocol: string,
  signal: AbortSignal,
): RegistryError {
  if (error instanceof RegistryError) return error;
  if (signal.aborted) return timedOut(signal);
  return new RegistryError('refused', `Cannot ask "${remotePeer}": it closed "${protocol}"`, { cause: error });
}
