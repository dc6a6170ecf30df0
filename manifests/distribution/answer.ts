// The OCI distribution specification 1.1 as a function from a request to its answer: which route it is, and whether its caller may take it.
import { ManifestError } from '../error.ts';
import {
  type DistributionAction,
  type DistributionAnswer,
  type DistributionContext,
  type DistributionRequest,
  json,
  type RoutedRequest,
  refuse,
} from './protocol.ts';
import { answerBlob, answerManifest, answerReferrers, answerTags } from './pulling.ts';
import { deleteManifest, putManifest, takeUpload } from './pushing.ts';
import { isRepository } from './reference.ts';

/** Names have at most 255 characters, digests 71, ids of uploads 53. */
const maxPathLength = 512;
const maxQueryLength = 2048;

type Route = (request: RoutedRequest, context: DistributionContext) => Promise<DistributionAnswer>;

/** By what follows the repository, and by method. A blob goes with the last manifest that names it, so it has no DELETE. */
const routes: readonly [RegExp, Readonly<Record<string, readonly [DistributionAction, Route]>>][] = [
  [/^(.+)\/blobs\/uploads\/?()$/, { POST: ['push', takeUpload] }],
  [
    /^(.+)\/blobs\/uploads\/([^/]+)$/,
    {
      GET: ['push', takeUpload],
      PATCH: ['push', takeUpload],
      PUT: ['push', takeUpload],
      DELETE: ['push', takeUpload],
    },
  ],
  [/^(.+)\/blobs\/([^/]+)$/, { GET: ['pull', answerBlob], HEAD: ['pull', answerBlob] }],
  [
    /^(.+)\/manifests\/([^/]+)$/,
    {
      GET: ['pull', answerManifest],
      HEAD: ['pull', answerManifest],
      PUT: ['push', putManifest],
      DELETE: ['delete', deleteManifest],
    },
  ],
  [/^(.+)\/tags\/list()$/, { GET: ['pull', answerTags] }],
  [/^(.+)\/referrers\/([^/]+)$/, { GET: ['pull', answerReferrers] }],
];

/**
 * Answers a request of pull, push, content discovery or management. A blob or a manifest is read only through a repository that
 * names it. What goes wrong on the caller's side is an answer in the codes of the specification; faults of the disk are thrown.
 */
export async function answerDistribution(
  request: DistributionRequest,
  context: DistributionContext,
): Promise<DistributionAnswer> {
  const answer = await answerOf(request, context).catch((error: unknown) => {
    const known = error instanceof ManifestError ? answerOfError(error) : undefined;
    if (known) return known;
    throw error;
  });
  const headers = { 'docker-distribution-api-version': 'registry/2.0', ...answer.headers };
  return { ...answer, headers, body: request.method === 'HEAD' ? undefined : answer.body };
}

async function answerOf(request: DistributionRequest, context: DistributionContext): Promise<DistributionAnswer> {
  const { method, path, query = '' } = request;
  const isLook = method === 'GET' || method === 'HEAD';
  if (path === '/v2' || path === '/v2/')
    return isLook ? json(200, {}) : refuse(405, 'UNSUPPORTED', `"${method}" isn't for "/v2/"`);
  if (path.length > maxPathLength || query.length > maxQueryLength)
    return refuse(414, 'NAME_INVALID', 'the address is too long');
  for (const [pattern, methods] of routes) {
    const [, repository = '', reference = ''] = pattern.exec(path.slice('/v2/'.length)) ?? [];
    if (repository === '') continue;
    if (!isRepository(repository)) return refuse(400, 'NAME_INVALID', `"${repository}" is no name of a repository`);
    const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (!found) {
      const answer = refuse(405, 'UNSUPPORTED', `"${method}" isn't for "${path}"`);
      return { ...answer, headers: { ...answer.headers, allow: Object.keys(methods).join(', ') } };
    }
    const [action, route] = found;
    if (!context.may(repository, action))
      return refuse(403, 'DENIED', `"${repository}" is not open to this caller for ${action}`);
    return await route({ ...request, repository, reference, parameters: new URLSearchParams(query) }, context);
  }
  return refuse(404, 'NAME_UNKNOWN', `"${path}" is not known`);
}

/** What a caller is told of a fault that is theirs, or that they can wait out. */
function answerOfError({ code, message }: ManifestError): DistributionAnswer | undefined {
  if (code === 'digest-mismatch') return refuse(400, 'DIGEST_INVALID', message);
  if (code === 'invalid-image') return refuse(400, 'MANIFEST_INVALID', message);
  if (code === 'too-large') return refuse(413, 'SIZE_INVALID', message);
  if (code === 'no-space') return refuse(507, 'BLOB_UPLOAD_INVALID', message);
  return undefined;
}
