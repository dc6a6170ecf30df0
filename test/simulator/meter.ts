// What one stack sent and received, by what it was for.

export type Traffic = 'gossip' | 'request' | 'answer' | 'channel' | 'control' | 'handshake';

export interface Flow {
  readonly bytes: number;
  readonly messages: number;
}

export interface Reading {
  readonly sent: Flow;
  readonly received: Flow;
  /** Bytes sent by purpose. */
  readonly sentBytesFor: Readonly<Record<string, number>>;
}

export class Meter {
  #sentBytes = 0;
  #sentMessages = 0;
  #receivedBytes = 0;
  #receivedMessages = 0;
  readonly #for = new Map<Traffic, number>();

  sent(traffic: Traffic, sizeBytes: number): void {
    this.#sentBytes += sizeBytes;
    this.#sentMessages += 1;
    this.#for.set(traffic, (this.#for.get(traffic) ?? 0) + sizeBytes);
  }

  received(sizeBytes: number): void {
    this.#receivedBytes += sizeBytes;
    this.#receivedMessages += 1;
  }

  read(): Reading {
    return {
      sent: { bytes: this.#sentBytes, messages: this.#sentMessages },
      received: { bytes: this.#receivedBytes, messages: this.#receivedMessages },
      sentBytesFor: Object.fromEntries(this.#for),
    };
  }
}

/** What came between two readings. */
export function since(before: Reading, after: Reading): Reading {
  const flow = (one: Flow, other: Flow): Flow => ({
    bytes: other.bytes - one.bytes,
    messages: other.messages - one.messages,
  });
  return {
    sent: flow(before.sent, after.sent),
    received: flow(before.received, after.received),
    sentBytesFor: Object.fromEntries(
      Object.entries(after.sentBytesFor).map(([name, bytes]) => [name, bytes - (before.sentBytesFor[name] ?? 0)]),
    ),
  };
}
