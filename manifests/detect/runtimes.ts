// Which runtimes and toolchains can be had: the packages of Debian 12, and for Node the package of npm that holds it.
import semver from 'semver';
import type { Evidence, Runtime } from './plan.ts';
import type { Folder } from './project.ts';
import { type Language, wantedVersion } from './versions.ts';

/** What Debian 12 carries: the version, the packages that run a program, and those that build one. */
const debian: Record<Language, { version: string; run: readonly string[]; build: readonly string[] } | undefined> = {
  node: { version: '18.20.4', run: ['nodejs'], build: ['nodejs', 'npm'] },
  python: { version: '3.11.2', run: ['python3'], build: ['python3', 'python3-pip'] },
  go: { version: '1.19.8', run: [], build: ['golang-go'] },
  rust: { version: '1.63.0', run: ['libgcc-s1'], build: ['cargo', 'rustc'] },
  java: { version: '17.0.13', run: ['openjdk-17-jre-headless'], build: ['default-jdk-headless'] },
  php: { version: '8.2.26', run: ['php-cli'], build: ['composer', 'php-cli'] },
  ruby: { version: '3.1.2', run: ['ruby'], build: ['bundler', 'ruby', 'ruby-dev'] },
  elixir: { version: '1.14.0', run: ['elixir', 'erlang-base'], build: ['elixir', 'erlang-dev'] },
  dotnet: undefined,
  deno: undefined,
  bun: undefined,
};

/** What new programs of Node start with: the newest line with long-term support. */
const nodeDefault = '24.21.0';
/** Names of Node's lines with long-term support. */
const nodeLines: Readonly<Record<string, string>> = {
  hydrogen: '18',
  iron: '20',
  jod: '22',
  krypton: '24',
};
/** Below it, npm has no package of the program for both platforms. */
const nodeOldest = '12.22.0';
/** The newest of each line, of those that npm has packages of for both platforms. */
const nodeKnown = ['20.20.2', '22.23.3', '24.21.0'];

/** What a note says where a version can't be had. */
const otherwise: Readonly<Record<Language, string>> = {
  node: 'name a version of Node from 12.22',
  python: 'let it run on Python 3.11, or name a base image with that version by its digest',
  go: 'lower the go line to 1.19, or name a base image with that toolchain by its digest for the build step',
  rust: 'lower rust-version to 1.63, or name a base image with that toolchain by its digest for the build step',
  java: 'build for Java 17, or name a base image with that version by its digest',
  php: 'let it run on PHP 8.2, or name a base image with that version by its digest',
  ruby: 'let it run on Ruby 3.1, or name a base image with that version by its digest',
  elixir: 'let it run on Elixir 1.14, or name a base image with that version by its digest',
  dotnet: 'name a base image with .NET by its digest: Debian 12 has none',
  deno: 'name a base image with Deno by its digest: Debian 12 has none',
  bun: 'run it on Node, or name a base image with Bun by its digest: Debian 12 has none',
};

const titles: Readonly<Record<Language, string>> = {
  node: 'Node',
  python: 'Python',
  go: 'Go',
  rust: 'Rust',
  java: 'Java',
  php: 'PHP',
  ruby: 'Ruby',
  elixir: 'Elixir',
  dotnet: '.NET',
  deno: 'Deno',
  bun: 'Bun',
};

export interface Toolchain {
  readonly runtime: Runtime;
  readonly build: readonly string[];
  /** What decided the version, if anything did. */
  readonly evidence: readonly Evidence[];
}

/** The runtime of a language for a folder; `floor` is the oldest version that what it uses runs on. */
export function toolchainOf(folder: Folder, language: Language, floor?: string): Toolchain {
  const wanted = wantedVersion(folder, language);
  const evidence = wanted ? [wanted.from] : [];
  const asked = { name: language, wanted: wanted?.version, from: wanted?.from.file };
  const offer = debian[language];
  const range = wanted ? rangeOf(language, wanted.version) : undefined;
  const note = (message: string, mend: string): void =>
    folder.project.note({ file: wanted?.from.file ?? folder.path, message, mend });
  if (wanted && (range === undefined || isMoving(wanted.version))) {
    note(`"${wanted.version}" is no fixed version of ${titles[language]}`, 'write a number, such as a major version');
  }
  if (language === 'node') return { ...nodeToolchain(asked, range, floor, note), evidence };
  if (!offer) {
    note(`${titles[language]} can't be had as a Debian package`, otherwise[language]);
    return { runtime: { ...asked, packages: [], version: undefined }, build: [], evidence };
  }
  const fits = range === undefined || semver.satisfies(offer.version, range);
  if (!fits)
    note(`wants ${titles[language]} ${wanted?.version}, and Debian 12 has ${offer.version}`, otherwise[language]);
  return {
    runtime: { ...asked, packages: fits ? offer.run : [], version: fits ? offer.version : undefined },
    build: fits ? offer.build : [],
    evidence,
  };
}

function nodeToolchain(
  asked: Pick<Runtime, 'name' | 'wanted' | 'from'>,
  range: string | undefined,
  floor: string | undefined,
  note: (message: string, mend: string) => void,
): Omit<Toolchain, 'evidence'> {
  const offer = debian.node;
  const known = [offer?.version ?? '', ...nodeKnown];
  const fits = (version: string): boolean =>
    (range === undefined || semver.satisfies(version, range)) && (floor === undefined || semver.gte(version, floor));
  if (offer && range !== undefined && fits(offer.version)) {
    return { runtime: { ...asked, packages: offer.run, version: offer.version }, build: offer.build };
  }
  if (range !== undefined && !semver.intersects(range, `>=${nodeOldest}`)) {
    note(`wants Node ${asked.wanted}, which npm has no package of`, otherwise.node);
    return { runtime: { ...asked, packages: [], version: undefined }, build: [] };
  }
  if (range !== undefined && floor !== undefined && !semver.intersects(range, `>=${floor}`)) {
    note(`wants Node ${asked.wanted}, and what it uses runs from Node ${floor}`, `name ${floor} or later`);
  }
  // A pinned version is taken as it is; a range gets the newest line that Debian or npm has.
  const pinned = range === undefined ? null : semver.valid(asked.wanted?.replace(/^v/, '') ?? null);
  const line = range === undefined && floor === undefined ? nodeDefault : known.findLast(fits);
  const version =
    pinned ?? line ?? (range === undefined ? nodeDefault : (semver.minVersion(range)?.version ?? nodeDefault));
  return { runtime: { ...asked, packages: [], version, node: version }, build: [] };
}

function isMoving(version: string): boolean {
  return /^(?:\*|latest|lts\/?\*?|node|stable|beta|nightly|current|system|x)$/i.test(version);
}

/** A range of npm for what a language's own files say; undefined for what says no version. */
function rangeOf(language: Language, version: string): string | undefined {
  const named = version.replace(/^[v=\s]+/, '').trim();
  if (isMoving(named)) return undefined;
  const line = /^(?:lts\/)?([a-z]+)$/.exec(named)?.[1];
  if (language === 'node' && line && nodeLines[line]) return `${nodeLines[line]}.x`;
  if (language === 'node') return semver.validRange(named) ?? undefined;
  const first = /(\d+)(?:[._](\d+))?(?:\.(\d+))?/.exec(named);
  if (!first) return undefined;
  const [, major = '0', minor] = first;
  if (language === 'java') return `${major === '1' && minor ? minor : major}.x`;
  // A minimum by its own definition.
  if (language === 'go' || (language === 'rust' && !/^nightly/.test(named))) return `>=${major}.${minor ?? '0'}.0`;
  // A pin means its line: Debian mends a line with the patches that count.
  if (/^(?:[a-z]+-)?\d/.test(named) && !/[,|<>~^*\s]/.test(named)) return `${major}.${minor ?? 'x'}.x`;
  const translated = named
    .replace(/~=\s*(\d+\.\d+)(?!\.)/g, '^$1')
    .replace(/~=\s*/g, '~')
    .replace(/~>\s*(\d+\.\d+)(?!\.)/g, '^$1')
    .replace(/!=\s*[\w.*]+,?/g, '')
    .replace(/===?\s*/g, '')
    .replace(/\s*\|\|?\s*/g, ' || ')
    .replace(/\bor\b/g, '||')
    .replace(/\band\b/g, ' ')
    .replace(/,/g, ' ')
    .replace(/@.*$/, '');
  return semver.validRange(translated) ?? undefined;
}
