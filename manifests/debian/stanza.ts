// How the index of an archive is read: paragraphs of fields (deb822(5)), of which the few that resolving needs are kept.
import { ManifestError } from '../error.ts';

/** One package of an index, in the words of deb-control(5). */
export interface IndexedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** What must be there: each group by one of its alternatives. */
  readonly depends: string;
  readonly provides: string;
  /** What may not be there with it. */
  readonly conflicts: string;
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A package by name and version, as a relation asks for it. */
export interface Relation {
  readonly name: string;
  readonly operator: '<<' | '<=' | '=' | '>=' | '>>' | undefined;
  readonly version: string;
}

/** Far longer than the longest list of dependencies that Debian has. */
const maxLineBytes = 1 << 20;
/** Debian's main has 64,000 of one architecture. */
const maxPackages = 500_000;

const kept = new Set([
  'Package',
  'Version',
  'Architecture',
  'Pre-Depends',
  'Depends',
  'Provides',
  'Conflicts',
  'Breaks',
  'Filename',
  'Size',
  'SHA256',
]);

/** The packages of an index, in its order; a paragraph that lacks what a package must have is left out. Throws `too-large`. */
export async function* readIndex(bytes: AsyncIterable<Uint8Array>): AsyncIterable<IndexedPackage> {
  let fields = new Map<string, string>();
  let count = 0;
  for await (const line of linesOf(bytes)) {
    if (line === '') {
      const found = packageOf(fields);
      fields = new Map();
      if (!found) continue;
      count += 1;
      if (count > maxPackages) throw tooLarge(`more than ${maxPackages} packages`);
      yield found;
      continue;
    }
    // A line that goes on with the one before belongs to no field that is kept.
    const colon = line.indexOf(':');
    const key = line.slice(0, colon);
    if (kept.has(key)) fields.set(key, line.slice(colon + 1).trim());
  }
  const last = packageOf(fields);
  if (last) yield last;
}

/** `a (>= 1) | b:any [amd64]` as its alternatives, groups by commas. What can't be read is nobody's name. */
export function relationsOf(text: string): Relation[][] {
  return text
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '')
    .map((group) =>
      group.split('|').map((alternative) => {
        const match =
          /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9]+)?\s*(?:\((<<|<=|=|>=|>>)\s*([^\s)]+)\))?/.exec(alternative.trim()) ??
          [];
        const [, name = '', operator, version = ''] = match;
        return { name, operator: operator as Relation['operator'], version };
      }),
    );
}

async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineBytes) throw tooLarge(`a line of more than ${maxLineBytes} bytes`);
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

function packageOf(fields: ReadonlyMap<string, string>): IndexedPackage | undefined {
  const field = (name: string): string => fields.get(name) ?? '';
  const name = field('Package');
  const sizeBytes = Number(field('Size'));
  if (name === '' || field('Version') === '' || field('Filename') === '' || !Number.isSafeInteger(sizeBytes))
    return undefined;
  return {
    name,
    version: field('Version'),
    architecture: field('Architecture'),
    depends: [field('Pre-Depends'), field('Depends')].filter((part) => part !== '').join(', '),
    provides: field('Provides'),
    conflicts: [field('Conflicts'), field('Breaks')].filter((part) => part !== '').join(', '),
    filename: field('Filename'),
    sizeBytes,
    sha256: field('SHA256'),
  };
}

function tooLarge(what: string): ManifestError {
  return new ManifestError('too-large', `Cannot read the index of an archive: it has ${what}`);
}
