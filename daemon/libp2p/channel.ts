// Messages on a libp2p stream that stays open: each behind its length, both ways, and dropped where they would pile up.
import type { Stream } from '@libp2p/interface';
import { type Channel, type ChannelListener, type ChannelOptions, maxChannelQueueBytes, type StackId } from '#registry';

/** The length in front of a message: four bytes, big-endian. */
const prefixBytes = 4;
/** What was sent before the end gets so long to leave. */
const closeTimeoutMs = 1_000;

/** Channels of one protocol that one peer has open at a time: a new one may come before the old one is known to be gone. */
export const maxChannels = 4;

/** Wraps a stream at either side; the listener is asked for once and hears all from the first message on. */
export function keepChannel(
  stream: Stream,
  stack: StackId,
  { maxMessageBytes, refused }: ChannelOptions,
  listen: (channel: Channel) => ChannelListener,
): Channel {
  let isOpen = true;
  const channel: Channel = {
    stack,
    send(message) {
      const frame = new Uint8Array(prefixBytes + message.byteLength);
      new DataView(frame.buffer).setUint32(0, message.byteLength);
      frame.set(message, prefixBytes);
      const isWritable = isOpen && stream.writeStatus === 'writable';
      if (!isWritable || stream.writeBufferLength + frame.byteLength > maxChannelQueueBytes) return false;
      stream.send(frame);
      return true;
    },
    [Symbol.dispose]() {
      if (!isOpen) return;
      isOpen = false;
      stream.close({ signal: AbortSignal.timeout(closeTimeoutMs) }).catch((error: Error) => stream.abort(error));
    },
  };
  const listener = listen(channel);
  const end = (): void => {
    if (!isOpen) return;
    isOpen = false;
    listener.closed();
  };
  const read = reader(maxMessageBytes, (message) => {
    if (isOpen) listener.message(message);
  });
  stream.addEventListener('message', ({ data }) => {
    if (read(data instanceof Uint8Array ? data : data.subarray())) return;
    refused?.(stack, 'too-large');
    stream.abort(new Error(`a message of more than ${maxMessageBytes} bytes`));
  });
  stream.addEventListener('close', end);
  stream.addEventListener('remoteCloseWrite', () => {
    end();
    stream.close({ signal: AbortSignal.timeout(closeTimeoutMs) }).catch((error: Error) => stream.abort(error));
  });
  if (stream.status !== 'open') end();
  return channel;
}

/** Cuts what comes into messages; false where one is too long. Never keeps more than one message and one part. */
function reader(maxMessageBytes: number, take: (message: Uint8Array) => void): (part: Uint8Array) => boolean {
  let kept: Uint8Array = new Uint8Array();
  return (part) => {
    let rest = kept.byteLength > 0 ? Buffer.concat([kept, part]) : part;
    while (rest.byteLength >= prefixBytes) {
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (length > maxMessageBytes) return false;
      if (rest.byteLength < prefixBytes + length) break;
      take(new Uint8Array(rest.subarray(prefixBytes, prefixBytes + length)));
      rest = rest.subarray(prefixBytes + length);
    }
    kept = new Uint8Array(rest);
    return true;
  };
}
