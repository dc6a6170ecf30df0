// How the bytes of one connection leave: what is written in one turn of the event loop goes as one, and TCP itself asks whether the other side is there.
import type { Socket } from 'node:net';
import type { ConnectionEncrypter } from '@libp2p/interface';

/** A connection that says nothing for so long is asked by the kernel whether it is still there, ten times, a second apart. */
const keepAliveAfterMs = 30_000;

/**
 * An encrypter whose connections gather what they send. Noise writes the two bytes of a length and then the message, and yamux a
 * header, the data and its window; each would be a packet of its own with 66 bytes around it.
 */
export function gathering<Components, Extension>(
  make: (components: Components) => ConnectionEncrypter<Extension>,
): (components: Components) => ConnectionEncrypter<Extension> {
  return (components) => {
    const encrypter = make(components);
    const secureInbound = encrypter.secureInbound.bind(encrypter);
    const secureOutbound = encrypter.secureOutbound.bind(encrypter);
    encrypter.secureInbound = (connection, options) => {
      gather(connection);
      return secureInbound(connection, options);
    };
    encrypter.secureOutbound = (connection, options) => {
      gather(connection);
      return secureOutbound(connection, options);
    };
    return encrypter;
  };
}

function gather(connection: object): void {
  const socket = (connection as { socket?: Socket }).socket;
  if (!socket || typeof socket.cork !== 'function') return;
  socket.setKeepAlive(true, keepAliveAfterMs);
  const write = socket.write.bind(socket) as (chunk: Uint8Array) => boolean;
  let isCorked = false;
  socket.write = ((chunk: Uint8Array) => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      setImmediate(() => {
        isCorked = false;
        socket.uncork();
      });
    }
    return write(chunk);
  }) as Socket['write'];
}
