// Lines of JSON and whole bodies, read from a response and bounded.
import { badAnswer } from './errors.ts';

/** The largest answer, and the largest line of one: listings of a mesh of 1,000 stacks are below a tenth of it. */
const maxBytes = 64 * 1024 * 1024;

/** The value of each line; empty lines, which keep a connection alive, are passed over. */
export async function* valuesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(10);
      parts.push(end < 0 ? rest : rest.subarray(0, end));
      sizeBytes += end < 0 ? rest.length : end;
      if (sizeBytes > maxBytes) throw badAnswer(`a line has more than ${maxBytes} bytes`);
      if (end < 0) break;
      yield* parsed(parts);
      parts = [];
      sizeBytes = 0;
      rest = rest.subarray(end + 1);
    }
  }
  yield* parsed(parts);
}

export async function wholeOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw badAnswer(`it has more than ${maxBytes} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

function* parsed(parts: readonly Uint8Array[]): Generator<unknown> {
  const line = Buffer.concat(parts).toString('utf8').trim();
  if (line === '') return;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw badAnswer('a line is not JSON', cause);
  }
  yield value;
}
