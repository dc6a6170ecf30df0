// The OCI distribution protocol on loopback: engines pull and clients push here, with a password for certain repositories.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PullAccess } from '#daemon/deploy';
import type { BlobStore, Digest } from '#manifests';
import { answerDistribution, type Repositories, type Uploads } from '#manifests/distribution';
import type { Authenticate } from './authenticate.ts';
import { refuseOtherPages } from './authenticate.ts';

interface Parts {
  readonly blobs: BlobStore;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  /** Images that were built for a repository, here or on another stack. */
  readonly imagesOf: (repository: string) => readonly Digest[];
  /** What this stack, and others, said of an image. */
  readonly attachedTo: (image: Digest) => Promise<readonly Digest[]>;
  readonly pullAccess: PullAccess;
  readonly authenticate: Authenticate;
}

/** Answers what is below /v2/. Basic takes a password of `pullAccess`, or the daemon's token as password. */
export async function answerPull(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const { pullAccess, authenticate, imagesOf } = parts;
  if (!authenticate.isTrusted(request)) refuseOtherPages(request);
  const password = passwordOf(request);
  const isOwner = authenticate.isTrusted(request) || authenticate.hasToken(password);
  const scope = isOwner || password === undefined ? undefined : pullAccess.scope(password);
  if (!isOwner && !scope) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="hermesh"', 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'a pull password is needed' }] }));
    return;
  }
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const { range, accept, 'content-type': type, 'content-length': length } = request.headers;
  const headers = {
    range,
    accept,
    'content-type': type,
    'content-length': length,
    'content-range': request.headers['content-range'],
  };
  const answer = await answerDistribution(
    { method: request.method ?? 'GET', path, query, headers, body: request },
    {
      ...parts,
      may: (repository, action) => isOwner || (scope?.may(repository, action) ?? false),
      imagesOf: (repository) => [...(scope?.images(repository) ?? []), ...imagesOf(repository)],
    },
  );
  // What a refused push still sends is read by nobody: the connection ends with the answer.
  const isUnread = !request.complete && request.method !== 'GET' && request.method !== 'HEAD';
  response.writeHead(answer.status, { ...answer.headers, ...(isUnread && { connection: 'close' }) });
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
