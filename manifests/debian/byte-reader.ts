// How exact numbers of bytes are taken from a stream whose chunks fall anywhere.
import { ManifestError } from '../error.ts';

/** Reads a stream by counts. Throws `invalid-package` where it ends early. */
export class ByteReader implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** How many bytes were taken. */
  get position(): number {
    return this.#position;
  }

  /** Exactly `length` bytes; undefined where the stream ends before the first. */
  async take(length: number): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      const part = await this.#some(left);
      if (part === undefined) {
        if (parts.length === 0) return undefined;
        throw cutShort();
      }
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** The next `length` bytes as they come. */
  async *stream(length: number): AsyncGenerator<Uint8Array, void> {
    let left = length;
    while (left > 0) {
      const part = await this.#some(left);
      if (part === undefined) throw cutShort();
      left -= part.length;
      yield part;
    }
  }

  /** Reads to the end and forgets it, so that whatever checks the stream at its end does so. */
  async drain(): Promise<void> {
    this.#rest = new Uint8Array(0);
    while (!(await this.#source.next()).done);
  }

  /** Ends the stream, read or not: what lies below it frees what it holds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.return?.();
  }

  async #some(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done) return undefined;
      this.#rest = next.value;
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    this.#position += part.length;
    return part;
  }
}

function cutShort(): ManifestError {
  return new ManifestError('invalid-package', 'Cannot read the package: it ends too early');
}
