// What policies read of a signed bill of materials (CycloneDX JSON): each component by its package URL, with its licences.

export interface BilledComponent {
  readonly purl: string;
  /** Package URL type. */
  readonly ecosystem: string;
  /** With its namespace, as the ecosystem writes it. */
  readonly name: string;
  readonly version: string;
  readonly licenses: readonly string[];
  /** The Debian source package, and the release of Debian ("12") that the image is of, as far as either is told. */
  readonly source?: { readonly name: string; readonly version: string };
  readonly release?: string;
  /** There for development alone. */
  readonly isExcluded: boolean;
}

/** The components of a bill; what has no package URL is passed over. */
export function billedComponents(bill: Readonly<Record<string, unknown>>): BilledComponent[] {
  const components = Array.isArray(bill['components'])
    ? (bill['components'] as Readonly<Record<string, unknown>>[])
    : [];
  const release = releaseIn(components);
  return components.flatMap((one) => {
    const { purl, group, name, version, licenses, scope, properties } = one;
    const source = sourceIn(properties);
    const [, ecosystem] = /^pkg:([a-z]+)\//.exec(typeof purl === 'string' ? purl : '') ?? [];
    if (ecosystem === undefined || typeof name !== 'string' || typeof version !== 'string') return [];
    const separator = ecosystem === 'maven' ? ':' : '/';
    return [
      {
        purl: purl as string,
        ecosystem,
        name: typeof group === 'string' ? `${group}${separator}${name}` : name,
        version,
        licenses: licensesIn(licenses),
        ...(source && { source }),
        ...(ecosystem === 'deb' && release !== undefined && { release }),
        isExcluded: scope === 'excluded',
      },
    ];
  });
}

function sourceIn(value: unknown): BilledComponent['source'] {
  if (!Array.isArray(value)) return undefined;
  const found = (value as { name?: unknown; value?: unknown }[]).find(({ name }) => name === 'hermesh:source')?.value;
  const at = typeof found === 'string' ? found.indexOf('@') : -1;
  return typeof found === 'string' && at > 0 ? { name: found.slice(0, at), version: found.slice(at + 1) } : undefined;
}

/** By the package that every release has in a version of its own; else by the releases that versions name, where they name one. */
function releaseIn(components: readonly Readonly<Record<string, unknown>>[]): string | undefined {
  const debian = components.filter(({ purl }) => typeof purl === 'string' && purl.startsWith('pkg:deb/debian/'));
  const versions = debian.map(({ version }) => (typeof version === 'string' ? version : ''));
  const base = debian.findIndex(({ name }) => name === 'base-files');
  const [, major] = /^(\d+)/.exec(versions[base] ?? '') ?? [];
  const named = new Set(versions.flatMap((version) => /[~+]deb(\d+)u\d/.exec(version)?.[1] ?? []));
  return major ?? (named.size === 1 ? [...named][0] : undefined);
}

function licensesIn(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return (value as { expression?: unknown; license?: { id?: unknown; name?: unknown } }[]).flatMap((one) => {
    const text = one.expression ?? one.license?.id ?? one.license?.name;
    return typeof text === 'string' ? [text] : [];
  });
}
