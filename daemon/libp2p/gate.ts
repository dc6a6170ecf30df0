// Whom libp2p lets in, at each of its doors: inbound, outbound, and every stream of every protocol.
import type { Connection, ConnectionGater, PeerId, Stream, StreamHandler } from '@libp2p/interface';
import type { Registrar } from '@libp2p/interface-internal';
import { type Access, mayOpen, type StackId } from '#registry';

export class Gate {
  readonly #needs = new Map<string, Access>();
  #ask: (peer: StackId) => Access | undefined = () => undefined;

  set(ask: (peer: StackId) => Access | undefined): void {
    this.#ask = ask;
  }

  of(peer: PeerId | StackId): Access | undefined {
    return this.#ask(peer.toString());
  }

  /** Says that a protocol is for others than members. */
  need(protocol: string, access: Access): void {
    this.#needs.set(protocol, access);
  }

  /** The hooks of a node: strangers are closed as soon as their key is proven, and only members are dialled. */
  gater(): ConnectionGater {
    const isStranger = (peer: PeerId): boolean => this.of(peer) === undefined;
    const isNoMember = (peer: PeerId): boolean => this.of(peer) !== 'member';
    return {
      denyInboundEncryptedConnection: isStranger,
      denyInboundUpgradedConnection: isStranger,
      denyInboundRelayedConnection: () => true,
      denyDialPeer: isNoMember,
      denyOutboundEncryptedConnection: isNoMember,
      denyOutboundUpgradedConnection: isNoMember,
      filterMultiaddrForPeer: (peer) => !isNoMember(peer),
    };
  }

  /**
   * Puts the gate in front of each handler that is registered from now on. libp2p's own stream middleware can't serve:
   * 3.3.11 adds the handler to the stored list at each stream, and outbound streams then run it.
   */
  guard(registrar: Registrar): void {
    const handle = registrar.handle.bind(registrar);
    registrar.handle = (protocol, handler, options) => handle(protocol, this.#guarded(protocol, handler), options);
  }

  #guarded(protocol: string, handler: StreamHandler): StreamHandler {
    return (stream: Stream, connection: Connection) => {
      if (mayOpen(this.of(connection.remotePeer), this.#needs.get(protocol) ?? 'member')) {
        return handler(stream, connection);
      }
      stream.abort(new Error(`"${protocol}" is not served for this peer`));
    };
  }
}
