// One request and its answer over the wires, with every way in which that can fail.
import {
  type Access,
  type Handler,
  type ProtocolOptions,
  RegistryError,
  type RequestOptions,
  type StackId,
} from '#registry';

export type Served = { readonly options: ProtocolOptions; readonly handler: Handler };

/** What goes back: the answer's bytes, or why there is none. */
export type Outcome = Uint8Array | RegistryError;

/** Calls the handler of a protocol as the other side does: access, sizes and time are bounded. Answers once. */
export function answer(
  served: Served | undefined,
  request: Uint8Array,
  caller: { readonly from: StackId; readonly access: Access | undefined; readonly protocol: string },
  after: (ms: number, act: () => void) => () => void,
  reply: (outcome: Outcome) => void,
): void {
  const { from, access, protocol } = caller;
  if (!served || access === undefined || served.options.access !== access) {
    reply(new RegistryError('refused', `Cannot open "${protocol}": it isn't served for "${from}"`));
    return;
  }
  const { maxRequestBytes, timeoutMs, refused } = served.options;
  if (request.byteLength > maxRequestBytes) {
    refused?.(from, 'too-large');
    reply(new RegistryError('too-large', `Cannot ask "${protocol}": the request has ${request.byteLength} bytes`));
    return;
  }
  const limit = new AbortController();
  let isDone = false;
  const finish = (outcome: Outcome): void => {
    if (isDone) return;
    isDone = true;
    cancel();
    reply(outcome);
  };
  const cancel = after(timeoutMs, () => {
    limit.abort(new DOMException(`It took more than ${timeoutMs} ms`, 'TimeoutError'));
    finish(new RegistryError('timed-out', `"${protocol}" was not answered in ${timeoutMs} ms`));
  });
  served.handler(request, { from, access, signal: limit.signal }).then(finish, (cause: unknown) => {
    finish(new RegistryError('refused', `"${protocol}" was reset by the other side`, { cause }));
  });
}

/** A promise that the wires settle, or the signal. `end` is what must be undone then. */
export class Call<Value> {
  readonly promise: Promise<Value>;
  isOpen = true;
  readonly #settle: PromiseWithResolvers<Value> = Promise.withResolvers<Value>();
  readonly #signal: AbortSignal;
  readonly #abort = (): void => {
    const { reason: cause } = this.#signal;
    this.fail(new RegistryError('timed-out', 'The exchange was given up before its answer came', { cause }));
  };
  #end = (): void => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.promise = this.#settle.promise;
    if (signal.aborted) this.#abort();
    else signal.addEventListener('abort', this.#abort, { once: true });
  }

  /** Called once, when it is settled. */
  atEnd(end: () => void): void {
    if (this.isOpen) this.#end = end;
    else end();
  }

  resolve(value: Value): void {
    if (!this.isOpen) return;
    this.#close();
    this.#settle.resolve(value);
  }

  fail(error: RegistryError): void {
    if (!this.isOpen) return;
    this.#close();
    this.#settle.reject(error);
  }

  #close(): void {
    this.isOpen = false;
    this.#signal.removeEventListener('abort', this.#abort);
    this.#end();
  }
}

/** The answer as the asker takes it. */
export function settle(call: Call<Uint8Array>, outcome: Outcome, { maxResponseBytes }: RequestOptions): void {
  if (outcome instanceof RegistryError) call.fail(outcome);
  else if (outcome.byteLength > maxResponseBytes) {
    call.fail(new RegistryError('too-large', `Cannot read the answer: it has ${outcome.byteLength} bytes`));
  } else call.resolve(outcome);
}
