// How an image is named for a registry: "HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]", with Docker's short forms.
import { type Digest, isDigest } from '../digest.ts';
import { ManifestError } from '../error.ts';

export interface Reference {
  /** `HOST[:PORT]`, as credentials are kept under it. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** As the distribution specification has names and tags; a name with its registry has at most 255 characters. */
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const hostPattern = /^(?:[a-zA-Z0-9][a-zA-Z0-9-]*(?:\.[a-zA-Z0-9-]+)*|\[[0-9a-fA-F:]{2,45}\])(?::\d{1,5})?$/;
const maxNameLength = 255;

export function isRepository(text: string): boolean {
  return text.length <= maxNameLength && repositoryPattern.test(text);
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Throws `invalid-reference` with what is wrong. A name without a host is of docker.io, as engines read it. */
export function parseReference(text: string): Reference {
  const refuse = (state: string): ManifestError =>
    new ManifestError(
      'invalid-reference',
      `Cannot use the image reference "${text.slice(0, 300)}": ${state}; write "HOST[:PORT]/NAME[:TAG][@sha256:…]"`,
    );
  if (text.length > 2 * maxNameLength) throw refuse('it is too long');
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) throw refuse('what follows "@" is no digest');
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasHost = /[.:[]/.test(first) || first === 'localhost';
  const registry = hasHost ? first : 'docker.io';
  const rest = hasHost ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (!hostPattern.test(registry)) throw refuse(`"${registry}" is no host`);
  if (!isRepository(repository)) throw refuse(`"${path}" is no name of a repository (small letters and digits)`);
  if (tag !== undefined && !isTag(tag)) throw refuse(`"${tag}" is no tag`);
  return { registry, repository, tag, digest };
}

export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** Whether a host is this machine's own: only there is http taken without being told. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
