// What a request to this registry is, what an answer is, and how one is refused (OCI distribution specification 1.1).
import type { BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import type { Repositories } from './repositories.ts';
import type { Uploads } from './uploads.ts';

export interface DistributionRequest {
  readonly method: string;
  /** Of the URL, from "/v2/" on, without a query. */
  readonly path: string;
  /** Of the URL, without "?"; empty where there is none. */
  readonly query?: string;
  /** With lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** What is pushed; read by PATCH, POST and PUT alone. */
  readonly body?: AsyncIterable<Uint8Array>;
}

export interface DistributionAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined for HEAD and where there is none. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

export type DistributionAction = 'pull' | 'push' | 'delete';

/** What a registry is made of, and what its caller may do. */
export interface DistributionContext {
  readonly blobs: BlobStore;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  readonly may: (repository: string, action: DistributionAction) => boolean;
  /** Images that stand in a repository without having been pushed there, such as those that were built here. */
  readonly imagesOf?: (repository: string) => readonly Digest[];
  /** Manifests that were attached to an image here without having been pushed; they stand wherever the image stands. */
  readonly attachedTo?: (image: Digest) => Promise<readonly Digest[]>;
}

/** One request with its repository, once it is clear that the caller may do it. */
export interface RoutedRequest extends DistributionRequest {
  readonly repository: string;
  /** What follows the repository: a tag, a digest, or the id of an upload. */
  readonly reference: string;
  readonly parameters: URLSearchParams;
}

/** An error in the form of the specification. */
export function refuse(status: number, code: string, message: string, detail?: unknown): DistributionAnswer {
  return json(status, { errors: [{ code, message, ...(detail !== undefined && { detail }) }] });
}

export function json(status: number, value: unknown, type = 'application/json'): DistributionAnswer {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { 'content-type': type, 'content-length': String(body.length) }, body };
}
