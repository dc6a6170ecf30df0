// How the engine frames the output of a container (8 bytes of header a frame, a timestamp a line), turned into lines.
import { StringDecoder } from 'node:string_decoder';
import type { LogLine } from '../engine.ts';

/** A longer line is cut here, so that one runaway line can't fill the memory. */
const maxLineCharacters = 16_384;
const headerBytes = 8;

export interface LogDecoder {
  /** The lines that this chunk completes. */
  push(chunk: Buffer): LogLine[];
  /** The line that was still open, if any. */
  end(): LogLine[];
}

/** `framed` is false for a container with a terminal, whose output is one raw stream. */
export function makeLogDecoder(framed: boolean): LogDecoder {
  const streams = { stdout: makeLines('stdout'), stderr: makeLines('stderr') };
  const header = Buffer.alloc(headerBytes);
  let headed = 0;
  let left = 0;
  return {
    push(chunk) {
      if (!framed) return streams.stdout.push(chunk);
      const lines: LogLine[] = [];
      // A frame may be of any size: its content is handed on as it comes, and only its header waits.
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const part = chunk.subarray(at, at + left);
          lines.push(...(header[0] === 2 ? streams.stderr : streams.stdout).push(part));
          left -= part.length;
          at += part.length;
          continue;
        }
        const taken = chunk.copy(header, headed, at, at + headerBytes - headed);
        headed += taken;
        at += taken;
        if (headed < headerBytes) break;
        headed = 0;
        left = header.readUInt32BE(4);
      }
      return lines;
    },
    end: () => [...streams.stdout.end(), ...streams.stderr.end()],
  };
}

function makeLines(stream: LogLine['stream']) {
  const decoder = new StringDecoder('utf8');
  let open = '';
  const keep = (text: string): void => {
    if (open.length < maxLineCharacters + 40) open += text.slice(0, maxLineCharacters + 40 - open.length);
  };
  return {
    push(bytes: Buffer): LogLine[] {
      const parts = decoder.write(bytes).split('\n');
      const lines: LogLine[] = [];
      for (const part of parts.slice(0, -1)) {
        keep(part);
        lines.push(parseLine(open, stream));
        open = '';
      }
      keep(parts.at(-1) ?? '');
      return lines;
    },
    end(): LogLine[] {
      const last = open;
      open = '';
      return last === '' ? [] : [parseLine(last, stream)];
    },
  };
}

function parseLine(raw: string, stream: LogLine['stream']): LogLine {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/s.exec(
    raw.replace(/\r$/, ''),
  );
  const at = match?.[1] === undefined ? Number.NaN : Date.parse(match[1]);
  if (match === null || Number.isNaN(at)) return { at: undefined, stream, text: raw.slice(0, maxLineCharacters) };
  return { at: new Date(at), stream, text: (match[2] ?? '').slice(0, maxLineCharacters) };
}
