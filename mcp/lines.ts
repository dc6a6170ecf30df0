// Bytes cut into lines, bounded: what newline-delimited JSON and event streams have in common.

/** Stands for a line that was longer than the bound; its bytes are dropped as they come. */
export const tooLong = Symbol('too long');

/**
 * The lines of a stream without their ends (LF or CRLF), the last one also without a newline after it. A line of more than
 * `maxBytes` gives `tooLong` once, and reading goes on after its end.
 */
export async function* linesOf(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<string | typeof tooLong> {
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  let dropping = false;
  for await (const chunk of source) {
    let rest =
      typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    for (;;) {
      const end = rest.indexOf(10);
      const part = end < 0 ? rest : rest.subarray(0, end);
      if (!dropping && sizeBytes + part.length > maxBytes) {
        yield tooLong;
        parts = [];
        dropping = true;
      }
      if (!dropping) parts.push(part);
      sizeBytes += part.length;
      if (end < 0) break;
      if (!dropping) yield lineOf(parts);
      parts = [];
      sizeBytes = 0;
      dropping = false;
      rest = rest.subarray(end + 1);
    }
  }
  if (!dropping && sizeBytes > 0) yield lineOf(parts);
}

/** The data of each event of an event stream (WHATWG HTML, 9.2.6); comments and other fields are passed over. */
export async function* eventsOf(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<string | typeof tooLong> {
  let data: string[] = [];
  let sizeBytes = 0;
  for await (const line of linesOf(source, maxBytes)) {
    if (line === tooLong || sizeBytes > maxBytes) {
      yield tooLong;
      data = [];
      sizeBytes = 0;
    } else if (line === '') {
      if (data.length > 0) yield data.join('\n');
      data = [];
      sizeBytes = 0;
    } else if (line.startsWith('data:')) {
      const value = line.slice(line[5] === ' ' ? 6 : 5);
      data.push(value);
      sizeBytes += value.length;
    }
  }
}

function lineOf(parts: readonly Buffer[]): string {
  const line = Buffer.concat(parts).toString('utf8');
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
