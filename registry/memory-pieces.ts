// Answers that come in pieces between stacks of one process: asked for one by one, cut with the connection.
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Access,
  mayOpen,
  type PiecesHandler,
  type ProtocolOptions,
  type RequestOptions,
  type StackId,
} from './network.ts';
import { RegistryError } from './registry-error.ts';

export interface StreamServed {
  readonly options: ProtocolOptions;
  readonly handler: PiecesHandler;
}

export interface StreamAsked {
  /** Who is asked, and who asks. */
  readonly stack: StackId;
  readonly from: StackId;
  readonly request: Uint8Array;
  readonly options: RequestOptions;
  /** Resolves once the wire carries the next piece. */
  readonly carried: () => Promise<void>;
}

/** What the protocol that is served there answers; undefined or without a handler, it is refused. */
export async function* answerInPieces(
  served: (Partial<StreamServed> & { readonly access: Access }) | undefined,
  { stack, from, request, options: { signal, maxResponseBytes }, carried }: StreamAsked,
): AsyncIterable<Uint8Array> {
  await turn();
  if (!served?.handler || !served.options || !mayOpen(served.access, served.options.access)) {
    throw new RegistryError('refused', `Cannot ask "${stack}": it isn't served for "${from}"`);
  }
  if (request.byteLength > served.options.maxRequestBytes) {
    throw new RegistryError('too-large', `Cannot ask "${stack}": the request has ${request.byteLength} bytes`);
  }
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  const pieces = served.handler(new Uint8Array(request), { from, access: served.access, signal: both });
  const reader = pieces[Symbol.asyncIterator]();
  let size = 0;
  try {
    while (true) {
      const { done, value } = await untilAborted(reader.next(), signal);
      await carried();
      if (done) return;
      size += value.byteLength;
      if (size > maxResponseBytes) {
        throw new RegistryError(
          'too-large',
          `Cannot read the answer of "${stack}": it has more than ${maxResponseBytes} bytes`,
        );
      }
      yield new Uint8Array(value);
    }
  } finally {
    end.abort();
    // Its own end may wait for what never comes.
    void reader.return?.().catch(() => undefined);
  }
}

/** The promise's own outcome, or `timed-out` once the signal is aborted. */
export function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(
        new RegistryError('timed-out', 'The exchange was given up before its answer came', { cause: signal.reason }),
      );
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
