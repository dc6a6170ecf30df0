// How a CI that registered itself is spoken to: the message formats of Tekton, over HTTP or a socket, within bounds.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { DaemonError } from '../errors.ts';

/** Longer than any answer that a person reads. */
const maxAnswerBytes = 256 * 1024;
/** Tekton's own clients wait as long for a CI. */
const timeoutMs = 30_000;

export const messageFormats = ['json_simple', 'mcp', 'tekton_federated', 'json'] as const;
export type MessageFormat = (typeof messageFormats)[number];

export interface Correspondent {
  readonly name: string;
  readonly endpoint: string;
  readonly messageEndpoint: string;
  readonly messageFormat: MessageFormat;
  readonly headers: Readonly<Record<string, string>>;
}

const httpAnswer = z.object({
  response: z.string().optional(),
  message: z.string().optional(),
  content: z.union([z.string(), z.object({ message: z.string() })]).optional(),
  error: z.string().optional(),
});

const socketAnswer = z.object({
  content: z.string().optional(),
  response: z.string().optional(),
  error: z.string().optional(),
});

/** Sends one message and gives the text of the answer. Throws `ci-failed` where there is none within 30 s. */
export async function converse(ci: Correspondent, message: string, from: string, signal: AbortSignal): Promise<string> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    return ci.messageFormat === 'json'
      ? await overSocket(ci, message, bounded)
      : await overHttp(ci, message, from, bounded);
  } catch (cause) {
    if (cause instanceof DaemonError) throw cause;
    const reason =
      bounded.aborted && !signal.aborted ? `no answer within ${timeoutMs / 1000} s` : (cause as Error).message;
    throw new DaemonError('ci-failed', `Cannot ask "${ci.name}" at "${ci.endpoint}": ${reason}`, {
      cause,
      mayRetry: true,
      mend: 'see whether its program runs and listens there',
    });
  }
}

function bodyFor(format: MessageFormat, message: string, from: string): unknown {
  if (format === 'mcp') return { content: { message }, context: {} };
  if (format === 'tekton_federated') return { from, message };
  return { message };
}

async function overHttp(ci: Correspondent, message: string, from: string, signal: AbortSignal): Promise<string> {
  const url = new URL(ci.messageEndpoint, ci.endpoint);
  const body = Buffer.from(JSON.stringify(bodyFor(ci.messageFormat, message, from)));
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        signal,
        headers: { ...ci.headers, 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (part: Buffer) => {
          size += part.length;
          if (size > maxAnswerBytes) response.destroy(new Error(`its answer is larger than ${maxAnswerBytes} bytes`));
          else parts.push(part);
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
        );
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
  if (status < 200 || status > 299) throw new Error(`it answered with status ${status}`);
  const answer = httpAnswer.parse(JSON.parse(text));
  if (answer.error) throw new Error(`it says: ${answer.error}`);
  const content = typeof answer.content === 'string' ? answer.content : answer.content?.message;
  return answer.response ?? content ?? answer.message ?? '';
}

/** Newline-delimited JSON over TCP: one line there, one line back. */
async function overSocket(ci: Correspondent, message: string, signal: AbortSignal): Promise<string> {
  const url = new URL(ci.endpoint);
  const socket = connect({ host: url.hostname, port: Number(url.port), signal });
  try {
    socket.write(`${JSON.stringify({ type: 'chat', content: message })}\n`);
    const failed = new Promise<never>((_, reject) => socket.once('error', reject));
    const first = async (): Promise<string> => {
      let size = 0;
      socket.on('data', (part: Buffer) => {
        size += part.length;
        if (size > maxAnswerBytes) socket.destroy(new Error(`its answer is larger than ${maxAnswerBytes} bytes`));
      });
      for await (const line of createInterface({ input: socket })) return line;
      throw new Error('it closed without an answer');
    };
    const answer = socketAnswer.parse(JSON.parse(await Promise.race([first(), failed])));
    if (answer.error) throw new Error(`it says: ${answer.error}`);
    return answer.content ?? answer.response ?? '';
  } finally {
    socket.destroy();
  }
}
