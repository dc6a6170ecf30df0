// What policies read of a signed bill of materials (CycloneDX JSON): each component by its package URL, with its licences.

export interface BilledComponent {
  readonly purl: string;
  /** Package URL type. */
  readonly ecosystem: string;
  /** With its namespace, as the ecosystem writes it. */
  readonly name: string;
  readonly version: string;
  readonly licenses: readonly string[];
  /** There for development alone. */
  readonly isExcluded: boolean;
}

/** The components of a bill; what has no package URL is passed over. */
export function billedComponents(bill: Readonly<Record<string, unknown>>): BilledComponent[] {
  const components = Array.isArray(bill['components'])
    ? (bill['components'] as Readonly<Record<string, unknown>>[])
    : [];
  return components.flatMap((one) => {
    const { purl, group, name, version, licenses, scope } = one;
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
        isExcluded: scope === 'excluded',
      },
    ];
  });
}

function licensesIn(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return (value as { expression?: unknown; license?: { id?: unknown; name?: unknown } }[]).flatMap((one) => {
    const text = one.expression ?? one.license?.id ?? one.license?.name;
    return typeof text === 'string' ? [text] : [];
  });
}
