// The OCI distribution protocol on loopback: the engine pulls from here, with a password for one repository.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PullAccess } from '#daemon/deploy';
import type { BlobStore } from '#manifests';
import { answerDistribution } from '#manifests';
import type { Authenticate } from './authenticate.ts';
import { refuseOtherPages } from './authenticate.ts';

interface Parts {
  readonly blobs: BlobStore;
  readonly pullAccess: PullAccess;
  readonly authenticate: Authenticate;
}

/** Answers what is below /v2/. Basic takes a pull password, or the daemon's token as password. */
export async function answerPull(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const { blobs, pullAccess, authenticate } = parts;
  if (!authenticate.isTrusted(request)) refuseOtherPages(request);
  const password = passwordOf(request);
  const isOwner = authenticate.isTrusted(request) || authenticate.hasToken(password);
  if (!isOwner && !(password !== undefined && pullAccess.isKnown(password))) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="hermesh"', 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'a pull password is needed' }] }));
    return;
  }
  const answer = await answerDistribution(
    {
      method: request.method ?? 'GET',
      path: (request.url ?? '/').split('?')[0] ?? '/',
      headers: { range: request.headers.range, accept: request.headers.accept },
    },
    {
      blobs,
      mayRead: (repository: string) => isOwner || (password !== undefined && pullAccess.mayPull(password, repository)),
    },
  );
  response.writeHead(answer.status, { ...answer.headers });
  if (answer.body === undefined || request.method === 'HEAD') response.end();
  else await pipeline(Readable.from(answer.body instanceof Uint8Array ? [answer.body] : answer.body), response);
}

function passwordOf(request: IncomingMessage): string | undefined {
  const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() === 'bearer') return value;
  if (scheme?.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : text.slice(colon + 1);
}
