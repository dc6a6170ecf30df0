// What a project of Mix is: an application of Phoenix, another release, or a library.
import type { Draft } from './plan.ts';
import type { Folder } from './project.ts';
import { firstOf, habit, noteNoLock, type Provider, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { scanHealth, scanPort } from './scan.ts';

export const elixirProvider: Provider = { name: 'elixir', marks: ['mix.exs'], detect: (folder) => draftsOf(folder) };

function draftsOf(folder: Folder): readonly Draft[] {
  const mix = folder.read('mix.exs') ?? '';
  // An umbrella's own project holds its applications and nothing else.
  const isUmbrella = /\bapps_path:/.test(mix);
  const name = /\bapp:\s*:(\w{1,60})/.exec(mix)?.[1] ?? (isUmbrella ? 'umbrella' : undefined);
  const framework = /\{:phoenix,/.test(mix) ? 'phoenix' : /\{:(?:plug_cowboy|bandit),/.test(mix) ? 'plug' : undefined;
  const runs = /\bmod:\s*\{/.test(mix) || /\breleases:/.test(mix) || framework === 'phoenix';
  const base = {
    named: name,
    path: folder.path,
    provider: 'elixir',
    language: 'elixir',
    ...(framework ? { framework } : {}),
  } as const;
  if (!runs || name === undefined) {
    return [
      {
        ...base,
        role: 'library',
        type: 'tool',
        confidence: 'medium',
        runtime: { name: 'elixir', wanted: undefined, from: undefined, packages: [], version: undefined },
        evidence: [
          folder.evidence('mix.exs', isUmbrella ? 'an umbrella without a release' : 'has no application that starts'),
        ],
        install: [],
        build: [],
        collect: [],
        lockfiles: [],
      },
    ];
  }
  const release = /\breleases:\s*\[\s*(\w{1,60}):/.exec(mix)?.[1] ?? name;
  const toolchain = toolchainOf(folder, 'elixir');
  const isLocked = folder.has('mix.lock');
  if (!isLocked && /\bdeps\b/.test(mix)) noteNoLock(folder, 'mix.exs', 'write one: mix deps.get');
  const isPhoenix = framework === 'phoenix';
  const port = firstOf(
    scanPort(folder, 'elixir'),
    configPort(folder),
    portOfExample(folder),
    framework ? habit(folder, 'mix.exs', 4000, `the port of ${framework}`) : undefined,
  );
  const health = scanHealth(folder, 'elixir');
  return [
    {
      ...base,
      role: 'application',
      type: port ? 'service' : 'worker',
      manager: 'mix',
      confidence: framework ? 'high' : 'medium',
      runtime: toolchain.runtime,
      evidence: withEvidence(
        folder.evidence('mix.exs', isPhoenix ? 'depends on phoenix' : `the application ${name}`),
        toolchain.evidence,
      ),
      install: [`MIX_ENV=prod mix deps.get --only prod${isLocked ? ' --check-locked' : ''}`],
      build: [
        ...(/assets\.deploy/.test(mix) ? ['MIX_ENV=prod mix assets.deploy'] : []),
        'MIX_ENV=prod mix release --path /out',
      ],
      collect: [],
      buildPackages: [...toolchain.build, 'git'],
      runPackages: toolchain.runtime.packages.length > 0 ? ['libncurses6', 'libssl3'] : [],
      start: said(folder, 'mix.exs', `bin/${release} start`, `the release ${release}`),
      startIn: '',
      ...(port ? { port } : {}),
      ...(health ? { health } : {}),
      environment: { LANG: 'C.UTF-8', ...(isPhoenix ? { PHX_SERVER: 'true' } : {}) },
      lockfiles: isLocked ? [{ path: folder.at('mix.lock'), kind: 'mix' }] : [],
    },
  ];
}

function configPort(folder: Folder): ReturnType<typeof said<number>> | undefined {
  for (const file of ['config/runtime.exs', 'config/prod.exs', 'config/config.exs']) {
    const port = Number(/System\.get_env\("PORT"(?:\)\s*\|\||,)\s*"(\d{2,5})"/.exec(folder.read(file) ?? '')?.[1]);
    if (port > 0) return said(folder, file, port, `PORT is ${port} unless told`);
  }
  return undefined;
}
