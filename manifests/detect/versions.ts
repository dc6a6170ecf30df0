// Which file says what version of a language a project wants.

import type { Evidence } from './plan.ts';
import { type Folder, table, text } from './project.ts';

export interface Wanted {
  readonly version: string;
  readonly from: Evidence;
}

type Read = (folder: Folder) => readonly (readonly [version: string | undefined, file: string, what: string])[];

/** Names of a language in `.tool-versions` (asdf) and in mise's files. */
const toolNames = {
  node: ['nodejs', 'node'],
  python: ['python'],
  go: ['golang', 'go'],
  rust: ['rust'],
  java: ['java'],
  php: ['php'],
  ruby: ['ruby'],
  dotnet: ['dotnet', 'dotnet-core'],
  deno: ['deno'],
  elixir: ['elixir'],
  bun: ['bun'],
} as const;

export type Language = keyof typeof toolNames;

/** The own files of each language: pins first, ranges of what may do behind them. */
const own: Record<Language, { readonly pins: Read; readonly ranges: Read }> = {
  node: {
    pins: (folder) => [
      line(folder, '.nvmrc'),
      line(folder, '.node-version'),
      [text(table(folder.json('package.json')?.['volta'])['node']), 'package.json', 'volta.node'],
    ],
    ranges: (folder) => [
      [text(table(folder.json('package.json')?.['engines'])['node']), 'package.json', 'engines.node'],
    ],
  },
  python: {
    pins: (folder) => [
      line(folder, '.python-version'),
      [/^python-(\d[\w.]*)/m.exec(folder.read('runtime.txt') ?? '')?.[1], 'runtime.txt', 'its line'],
    ],
    ranges: (folder) => {
      const pyproject = folder.toml('pyproject.toml');
      const poetry = table(table(table(pyproject?.['tool'])['poetry'])['dependencies'])['python'];
      const pipfile = table(folder.toml('Pipfile')?.['requires']);
      const setup = /python_requires\s*=\s*['"]?([^'"\n,)]{1,40})/.exec(
        `${folder.read('setup.cfg') ?? ''}\n${folder.read('setup.py') ?? ''}`,
      );
      return [
        [text(table(pyproject?.['project'])['requires-python']), 'pyproject.toml', 'project.requires-python'],
        [text(poetry), 'pyproject.toml', 'tool.poetry.dependencies.python'],
        [text(pipfile['python_full_version']) ?? text(pipfile['python_version']), 'Pipfile', 'requires'],
        [setup?.[1]?.trim(), folder.has('setup.cfg') ? 'setup.cfg' : 'setup.py', 'python_requires'],
      ];
    },
  },
  go: {
    pins: (folder) => [line(folder, '.go-version')],
    ranges: (folder) =>
      ['go.mod', 'go.work'].flatMap((file) => {
        const content = folder.read(file) ?? '';
        return [
          [/^toolchain[ \t]+go(\d[\w.]*)/m.exec(content)?.[1], file, 'its toolchain line'] as const,
          [/^go[ \t]+(\d[\w.]*)/m.exec(content)?.[1], file, 'its go line'] as const,
        ];
      }),
  },
  rust: {
    pins: (folder) => [
      [text(table(folder.toml('rust-toolchain.toml')?.['toolchain'])['channel']), 'rust-toolchain.toml', 'its channel'],
      [
        /^(?:channel\s*=\s*"([^"]+)")/m.exec(folder.read('rust-toolchain') ?? '')?.[1] ??
          /^[\w.-]+$/m.exec(folder.read('rust-toolchain') ?? '')?.[0],
        'rust-toolchain',
        'its channel',
      ],
    ],
    ranges: (folder) => {
      const cargo = folder.toml('Cargo.toml');
      return [
        [text(table(cargo?.['package'])['rust-version']), 'Cargo.toml', 'package.rust-version'],
        [
          text(table(table(cargo?.['workspace'])['package'])['rust-version']),
          'Cargo.toml',
          'workspace.package.rust-version',
        ],
      ];
    },
  },
  java: {
    pins: (folder) => [
      line(folder, '.java-version'),
      [/^java=(.+)$/m.exec(folder.read('.sdkmanrc') ?? '')?.[1], '.sdkmanrc', 'its java line'],
      [
        /^java\.runtime\.version\s*=\s*(.+)$/m.exec(folder.read('system.properties') ?? '')?.[1],
        'system.properties',
        'java.runtime.version',
      ],
    ],
    ranges: (folder) => {
      const properties = table(table(folder.xml('pom.xml')?.['project'])['properties']);
      const gradle = folder.first('build.gradle', 'build.gradle.kts') ?? 'build.gradle';
      const content = folder.read(gradle) ?? '';
      const inGradle =
        /JavaLanguageVersion\.of\(\s*(\d{1,2})/.exec(content) ??
        /jvmToolchain\(\s*(\d{1,2})/.exec(content) ??
        /sourceCompatibility\s*=\s*(?:JavaVersion\.VERSION_)?['"]?([\d._]{1,4})/.exec(content);
      return [
        ...(['maven.compiler.release', 'java.version', 'maven.compiler.target', 'maven.compiler.source'] as const).map(
          (key) => [text(properties[key]), 'pom.xml', key] as const,
        ),
        [inGradle?.[1], gradle, 'its Java version'],
      ];
    },
  },
  php: {
    pins: (folder) => [
      line(folder, '.php-version'),
      [
        text(table(table(folder.json('composer.json')?.['config'])['platform'])['php']),
        'composer.json',
        'config.platform.php',
      ],
    ],
    ranges: (folder) => [
      [text(table(folder.json('composer.json')?.['require'])['php']), 'composer.json', 'require.php'],
    ],
  },
  ruby: {
    pins: (folder) => [
      line(folder, '.ruby-version', /^ruby-/),
      [/^ruby[ (]+['"]([^'"\n]{1,40})['"]/m.exec(folder.read('Gemfile') ?? '')?.[1], 'Gemfile', 'its ruby line'],
    ],
    ranges: () => [],
  },
  dotnet: {
    pins: (folder) => [[text(table(folder.json('global.json')?.['sdk'])['version']), 'global.json', 'sdk.version']],
    ranges: (folder) =>
      folder.names
        .filter((name) => /\.(?:cs|fs|vb)proj$/.test(name))
        .map((name) => {
          const found = /<TargetFrameworks?>\s*net(?:coreapp)?(\d+\.\d+)/.exec(folder.read(name) ?? '');
          return [found?.[1], name, 'TargetFramework'] as const;
        }),
  },
  deno: { pins: (folder) => [line(folder, '.dvmrc')], ranges: () => [] },
  elixir: {
    pins: () => [],
    ranges: (folder) => [[/\belixir:\s*"([^"\n]{1,40})"/.exec(folder.read('mix.exs') ?? '')?.[1], 'mix.exs', 'elixir']],
  },
  bun: { pins: (folder) => [line(folder, '.bun-version')], ranges: () => [] },
};

/**
 * The version that decides: what pins one, nearest folder first, then what says a range. Where pins of one folder say
 * different versions, a note says so.
 */
export function wantedVersion(folder: Folder, language: Language): Wanted | undefined {
  const chain = folder.project.upwards(folder.path);
  const pins = chain.flatMap((each) => found(each, (at) => [...own[language].pins(at), ...tools(at, language)]));
  const ranges = chain.flatMap((each) => found(each, (at) => [...own[language].ranges(at), image(at, language)]));
  const decided = pins[0] ?? ranges[0];
  const others = pins.filter((pin) => clean(pin.version) !== clean(decided?.version ?? ''));
  for (const other of others.slice(0, 1)) {
    folder.project.note({
      file: other.from.file,
      message: `wants ${language} ${other.version}, and ${decided?.from.file} wants ${decided?.version}, which is nearer and decides`,
      mend: 'keep one of them',
    });
  }
  return decided;
}

function found(folder: Folder, read: Read): readonly Wanted[] {
  return read(folder).flatMap(([version, file, what]) =>
    version === undefined || version === '' || version.length > 60
      ? []
      : [{ version, from: folder.evidence(file, `${what} says ${version}`) }],
  );
}

function tools(folder: Folder, language: Language): ReturnType<Read> {
  const names = toolNames[language];
  const asdf = (folder.read('.tool-versions') ?? '')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .find(([name]) => (names as readonly (string | undefined)[]).includes(name));
  const mise = folder.first('mise.toml', '.mise.toml') ?? 'mise.toml';
  const listed = table(folder.toml(mise)?.['tools']);
  const tool = names.map((name) => listed[name]).find((each) => each !== undefined);
  const inMise = text(Array.isArray(tool) ? tool[0] : tool) ?? text(table(tool)['version']);
  return [
    [asdf?.[1], '.tool-versions', 'its line'],
    [inMise, mise, 'tools'],
  ];
}

/** Images of languages whose tags begin with the version. */
const images: Readonly<Partial<Record<Language, RegExp>>> = {
  node: /^FROM\s+(?:--\S+\s+)?(?:\S{1,60}\/)?node:(\d[\d.]*)/m,
  python: /^FROM\s+(?:--\S+\s+)?(?:\S{1,60}\/)?python:(\d[\d.]*)/m,
  ruby: /^FROM\s+(?:--\S+\s+)?(?:\S{1,60}\/)?ruby:(\d[\d.]*)/m,
  php: /^FROM\s+(?:--\S+\s+)?(?:\S{1,60}\/)?php:(\d[\d.]*)/m,
  java: /^FROM\s+(?:--\S+\s+)?(?:\S{1,60}\/)?(?:eclipse-temurin|openjdk|amazoncorretto):(\d[\d.]*)/m,
};

/** What an existing Dockerfile starts from says the version where nothing else does. */
function image(folder: Folder, language: Language): readonly [string | undefined, string, string] {
  const version = images[language]?.exec(folder.read('Dockerfile') ?? '')?.[1];
  return [version, 'Dockerfile', 'its image'];
}

function line(folder: Folder, file: string, prefix?: RegExp): readonly [string | undefined, string, string] {
  const first = folder
    .read(file)
    ?.split('\n')
    .map((row) => row.replace(/#.*/, '').trim())
    .find((row) => row !== '');
  return [first && (prefix ? first.replace(prefix, '') : first), file, 'its line'];
}

function clean(version: string): string {
  return version.replace(/^[v=]+/, '').trim();
}
