// What a package of Cargo holds: a program for each binary.
import type { Draft } from './plan.ts';
import { baseOf, type Folder, table, tables, text } from './project.ts';
import { firstOf, habit, isWorker, noteNoLock, type Provider, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { scanHealth, scanLoopback, scanPort } from './scan.ts';
import { workspaceOf } from './workspaces.ts';

export const rustProvider: Provider = { name: 'rust', marks: ['Cargo.toml'], detect: detectRust };

/** The port that a framework takes by itself, where it takes one. */
const frameworks: readonly (readonly [name: string, port?: number])[] = [
  ['rocket', 8000],
  ['actix-web'],
  ['axum'],
  ['warp'],
  ['poem'],
  ['tide'],
  ['salvo'],
  ['tonic'],
  ['hyper'],
];

function detectRust(folder: Folder): readonly Draft[] {
  const cargo = folder.toml('Cargo.toml');
  const name = text(table(cargo?.['package'])['name']);
  // A virtual manifest holds members and nothing of its own.
  if (!cargo || name === undefined) return [];
  const workspace = workspaceOf(folder, 'cargo');
  const root = workspace?.root ?? folder.path;
  const packages = Object.keys(table(cargo['dependencies']));
  const framework = frameworks.find(([each]) => packages.includes(each));
  const bins = new Set([
    ...(folder.has('src/main.rs') ? [name] : []),
    ...tables(cargo['bin']).flatMap((bin) => text(bin['name']) ?? []),
    ...folder.files().flatMap((file) => /^src\/bin\/([\w-]+)(?:\.rs|\/main\.rs)$/.exec(file)?.[1] ?? []),
  ]);
  const declared = text(table(cargo['package'])['default-run']);
  const renamed = tables(cargo['bin']).find((bin) => text(bin['path']) === 'src/main.rs');
  if (renamed && text(renamed['name']) !== name) bins.delete(name);
  const base = {
    path: folder.path,
    provider: 'rust',
    language: 'rust',
    ...(framework ? { framework: framework[0] } : {}),
  } as const;
  if (bins.size === 0) {
    return [
      {
        ...base,
        named: name,
        role: 'library',
        type: 'tool',
        confidence: 'high',
        runtime: { name: 'rust', wanted: undefined, from: undefined, packages: [], version: undefined },
        evidence: [folder.evidence('Cargo.toml', 'has no binary')],
        install: [],
        build: [],
        collect: [],
        lockfiles: [],
      },
    ];
  }
  const toolchain = toolchainOf(folder, 'rust');
  const rootFolder = folder.project.folder(root);
  const isLocked = rootFolder.has('Cargo.lock');
  if (!isLocked) noteNoLock(rootFolder, 'Cargo.toml', 'write one: cargo generate-lockfile');
  return [...bins].map((bin): Draft => {
    const main = bin === declared || bin === name || bins.size === 1;
    const others = (name: string): boolean => !/^src\/bin\//.test(name) || isOwn(name, bin);
    const port = main
      ? firstOf(
          scanPort(folder, 'rust', others),
          rocketPort(folder),
          portOfExample(folder),
          framework?.[1] ? habit(folder, 'Cargo.toml', framework[1], `the port of ${framework[0]}`) : undefined,
        )
      : scanPort(folder, 'rust', (name) => isOwn(name, bin));
    const health = main ? scanHealth(folder, 'rust') : undefined;
    if (main) scanLoopback(folder, 'rust');
    const file = bin.replaceAll(/[^\w-]/g, '-');
    return {
      ...base,
      named: bin,
      role: 'application',
      type: port
        ? 'service'
        : (bins.size > 1 && !isWorker(bin)) || packages.includes('clap') || packages.includes('structopt')
          ? 'tool'
          : 'worker',
      manager: 'cargo',
      confidence: 'high',
      runtime: toolchain.runtime,
      evidence: withEvidence(
        folder.evidence('Cargo.toml', `the package ${name}`),
        folder.evidence(bin === name && folder.has('src/main.rs') ? 'src/main.rs' : 'Cargo.toml', `the binary ${bin}`),
        framework ? folder.evidence('Cargo.toml', `depends on ${framework[0]}`) : undefined,
        toolchain.evidence,
        workspace && root !== folder.path
          ? { file: workspace.file, what: `${folder.path} is a member of the workspace` }
          : undefined,
      ),
      install: [],
      build: [
        `cargo build --release${isLocked ? ' --locked' : ''} --package ${name} --bin ${bin} --target-dir /tmp/target`,
        `cp /tmp/target/release/${bin} /out/${file}`,
      ],
      collect: [],
      buildPackages: toolchain.build,
      start: said(folder, 'Cargo.toml', `./${file}`, `builds ${baseOf(bin)}`),
      startIn: '',
      ...(port ? { port } : {}),
      ...(health ? { health } : {}),
      ...(framework?.[0] === 'rocket' ? { environment: { ROCKET_ADDRESS: '0.0.0.0' } } : {}),
      lockfiles: isLocked ? [{ path: rootFolder.at('Cargo.lock'), kind: 'cargo' }] : [],
      ...(workspace && root !== folder.path ? { workspace: { root, closure: workspace.closure(folder.path) } } : {}),
    };
  });
}

/** Whether a file is of one of several binaries, and of no other. */
function isOwn(file: string, bin: string): boolean {
  return file === `src/bin/${bin}.rs` || file.startsWith(`src/bin/${bin}/`);
}

function rocketPort(folder: Folder): ReturnType<typeof said<number>> | undefined {
  const rocket = folder.toml('Rocket.toml');
  const port = Number(
    table(rocket?.['release'])['port'] ?? table(rocket?.['default'])['port'] ?? table(rocket?.['global'])['port'],
  );
  return port > 0 && port <= 65_535 ? said(folder, 'Rocket.toml', port, `port is ${port}`) : undefined;
}
