// What a component of an image is, whatever ecosystem it comes from, and its package URL (github.com/package-url/purl-spec).

/** Package URL types of what the cataloguers read. */
export type Ecosystem = 'deb' | 'npm' | 'pypi' | 'cargo' | 'golang' | 'maven' | 'composer' | 'gem' | 'hex' | 'nuget';

/** Hexadecimal digests of the artifact that the component came as, by CycloneDX's names. */
export type Hashes = Readonly<Partial<Record<'MD5' | 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512', string>>>;

export interface Component {
  readonly ecosystem: Ecosystem;
  /** Vendor, scope, group or module path, as the ecosystem has one. */
  readonly namespace?: string;
  readonly name: string;
  readonly version: string;
  /** `arch` of Debian packages, and the like. */
  readonly qualifiers?: Readonly<Record<string, string>>;
  /** Of Debian packages: the source package that it was built from, by whose name advisories go. */
  readonly source?: { readonly name: string; readonly version: string };
  /** As declared: SPDX expressions, or the words found. Several hold together. */
  readonly licenses: readonly string[];
  readonly hashes: Hashes;
  /** What is only sometimes there, and what is there for development alone. */
  readonly scope?: 'optional' | 'excluded';
}

/** The package URL: two components with the same are the same. */
export function purlOf({ ecosystem, namespace, name, version, qualifiers = {} }: Component): string {
  const lower = ['deb', 'golang', 'composer', 'pypi'].includes(ecosystem);
  const spell = (text: string): string => (lower ? text.toLowerCase() : text);
  const ownName = ecosystem === 'pypi' ? name.replace(/[-_.]+/g, '-') : name;
  const path = [...(namespace ?? '').split('/'), ownName]
    .filter((part) => part !== '')
    .map((part) => encode(spell(part)));
  const query = Object.entries(qualifiers)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}=${encode(value)}`)
    .sort();
  const end = query.length === 0 ? '' : `?${query.join('&')}`;
  return `pkg:${ecosystem}/${path.join('/')}@${encode(version)}${end}`;
}

/** The components with those of one package URL made one: hashes and licences of all, the strongest scope. By package URL. */
export function mergeComponents(components: Iterable<Component>): Component[] {
  const merged = new Map<string, Component>();
  for (const one of components) {
    const purl = purlOf(one);
    const before = merged.get(purl);
    merged.set(purl, before === undefined ? one : mergeTwo(before, one));
  }
  return [...merged].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, component]) => component);
}

function mergeTwo(first: Component, second: Component): Component {
  const { scope, ...rest } = first;
  const both =
    scope === undefined || second.scope === undefined ? undefined : scope === second.scope ? scope : 'optional';
  return {
    ...rest,
    licenses: first.licenses.length > 0 ? first.licenses : second.licenses,
    hashes: { ...second.hashes, ...first.hashes },
    ...(both !== undefined && { scope: both }),
  };
}

/** The hashes of a Subresource Integrity text ("sha512-…"); none where it is none. */
export function integrityHashes(text: string | undefined): Hashes {
  const names = { md5: 'MD5', sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const;
  const hashes: Record<string, string> = {};
  for (const part of (text ?? '').split(/\s+/)) {
    const [, algorithm, value = ''] = /^(md5|sha1|sha256|sha384|sha512)-([A-Za-z0-9+/]+=*)/.exec(part) ?? [];
    const name = names[algorithm as keyof typeof names];
    if (name !== undefined) hashes[name] = Buffer.from(value, 'base64').toString('hex');
  }
  return hashes;
}

/** `sha256:HEX` and its like, as lock files of several ecosystems write them. */
export function plainHashes(text: string | undefined): Hashes {
  const [, hex] = /^sha256[:=]([0-9a-f]{64})$/.exec(text ?? '') ?? [];
  return hex === undefined ? {} : { 'SHA-256': hex };
}

/** RFC 3986, with ":" left as it is, as the specification asks. */
function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':');
}
