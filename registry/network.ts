// The seam to the transport between stacks: who is connected, one exchange a stream, and best-effort spreading.

/** A stack's libp2p peer id: base58btc of the identity multihash of its Ed25519 public key. */
export type StackId = string;

/**
 * What a connected peer may open. A `member` holds a certificate of the mesh; an `invite` is a peer that dialled with the
 * key of an open invite and may open only protocols served for invites; a `renewal` is a member whose certificate ran out,
 * and may open only what is served for renewals. Everybody else is closed before a protocol is known.
 */
export type Access = 'member' | 'invite' | 'renewal';

/** Whether who is let in so may open what is served for that; members may also open what is for renewals. */
export function mayOpen(access: Access | undefined, needed: Access): boolean {
  return access === needed || (access === 'member' && needed === 'renewal');
}

export interface Exchange {
  readonly from: StackId;
  readonly access: Access;
  readonly signal: AbortSignal;
  /** Says that the request was none of the protocol, though it is answered: a fault of its sender, where anybody counts. */
  readonly junk?: () => void;
}

/** Why something was refused before whoever serves it saw it: it is longer than allowed, or ends before its length. */
export type Refused = 'too-large' | 'cut-short';

export type Handler = (request: Uint8Array, exchange: Exchange) => Promise<Uint8Array>;

/** Answers piece by piece; the next piece is asked for once the other side has room for it. */
export type PiecesHandler = (request: Uint8Array, exchange: Exchange) => AsyncIterable<Uint8Array>;

export interface ProtocolOptions {
  /** Whom it is served for; a member may not open what is for invites, nor the other way round. */
  readonly access: Access;
  /** The largest request that is read, in bytes; the stream of a longer one is reset. */
  readonly maxRequestBytes: number;
  /** After this the stream is reset, in milliseconds; an answer in pieces may take so long for each of them. */
  readonly timeoutMs: number;
  /** Exchanges that are answered at a time, of one peer at most an eighth; others wait for their turn. No bound where left out. */
  readonly maxAtOnce?: number;
  /** Told of what isn't handed to the handler. */
  readonly refused?: (from: StackId, why: Refused) => void;
}

export interface RequestOptions {
  readonly signal: AbortSignal;
  /** The largest answer that is read, in bytes. */
  readonly maxResponseBytes: number;
}

/** What a listener says of a published message: only what is accepted goes on to others; `reject` is a fault of its sender. */
export type Verdict = 'accept' | 'ignore' | 'reject';

/** Hears a published message from the neighbour that sent it, who may have had it from another; must not throw. */
export type Listener = (message: Uint8Array, from: StackId) => Verdict;

/** One end of a stream that two members keep open. Disposing of it closes both ends; its own listener hears no more. */
export interface Channel extends Disposable {
  /** Who is at the other end. */
  readonly stack: StackId;
  /** Hands over one message, which keeps its place in the order; false: the other side doesn't read, and it is dropped. */
  send(message: Uint8Array): boolean;
}

export interface ChannelListener {
  message(bytes: Uint8Array): void;
  /** The other end, or the connection, is gone; called once, and after it nothing. */
  closed(): void;
}

export interface ChannelOptions {
  /** The longest message that is read, in bytes; a longer one closes the channel. */
  readonly maxMessageBytes: number;
  /** Told of a message that is longer. */
  readonly refused?: (from: StackId, why: Refused) => void;
}

/** What waits for the other side of a channel to read: some messages of the largest kind; more is dropped. */
export const maxChannelQueueBytes = 256 * 1024;
/** The longest message that whoever opens a channel reads, where it doesn't say. */
export const defaultChannelMessageBytes = 64 * 1024;

export type PeerEvent = { readonly type: 'connected' | 'disconnected'; readonly stack: StackId };

export interface Network extends AsyncDisposable {
  readonly stack: StackId;
  /** Where others can dial this stack, as multiaddrs (or `/memory/N` in memory) with the peer id at the end. */
  addresses(): readonly string[];
  /** The members with an open connection. */
  connected(): readonly StackId[];
  /** Asked at each connection, right after its key is proven; undefined closes it. Asked again for each stream. */
  setGate(gate: (peer: StackId) => Access | undefined): void;
  /** Closes the connections of a peer that lost its right. */
  disconnect(stack: StackId): Promise<void>;
  /** Dials one of the addresses, in turn, and keeps the connection; resolves once the other side has let this one in. */
  connect(stack: StackId, addresses: readonly string[], options: { signal: AbortSignal }): Promise<void>;
  /** One stream, one exchange with a connected member. */
  request(stack: StackId, protocol: string, request: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  /** One exchange under another key (that of an invite), over a connection that is closed afterwards. */
  requestWithKey(
    seed: Uint8Array,
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>;
  serve(protocol: string, options: ProtocolOptions, handler: Handler): void;
  /**
   * As `request`, for an answer that is read as it comes: who reads slowly slows the sender, and who stops ends the stream.
   * An answer that was cut short throws; one that ended well ends.
   */
  requestStream(
    stack: StackId,
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
  ): AsyncIterable<Uint8Array>;
  serveStream(protocol: string, options: ProtocolOptions, handler: PiecesHandler): void;
  /** A stream to a connected member that stays open for messages both ways; throws `unreachable`, `refused` or `timed-out`. */
  openChannel(
    stack: StackId,
    protocol: string,
    listener: ChannelListener,
    options: { signal: AbortSignal } & Partial<ChannelOptions>,
  ): Promise<Channel>;
  /** Takes channels that members open; messages wait until `accept` has returned who listens. */
  serveChannel(protocol: string, options: ChannelOptions, accept: (channel: Channel) => ChannelListener): void;
  /** Best effort to all members that subscribed; bounded to 256 KiB a message; loss is normal. */
  publish(topic: string, message: Uint8Array): void;
  /**
   * Calls the listener once for each message until the function that it returns is called. A message that all listeners
   * accept is handed on to the neighbours that subscribed.
   */
  subscribe(topic: string, listener: Listener): () => void;
  /** Connections of members as they come and go, from now on. */
  events(options: { signal: AbortSignal }): AsyncIterable<PeerEvent>;
}
