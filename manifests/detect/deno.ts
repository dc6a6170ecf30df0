// What a project of Deno is: its entry, its tasks, its lock.
import type { Draft } from './plan.ts';
import { type Folder, table, text } from './project.ts';
import {
  firstOf,
  habit,
  noteNoLock,
  type Provider,
  portOfCommand,
  portOfExample,
  said,
  withEvidence,
} from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { filesWith, scanHealth, scanPort } from './scan.ts';

export const denoProvider: Provider = {
  name: 'deno',
  marks: ['deno.json', 'deno.jsonc', 'deno.lock'],
  detect: (folder) => draftsOf(folder),
};

function draftsOf(folder: Folder): readonly Draft[] {
  const mark = folder.first('deno.json', 'deno.jsonc', 'deno.lock') ?? 'deno.json';
  const config = mark === 'deno.lock' ? undefined : folder.json(mark);
  const tasks = table(config?.['tasks']);
  const task = text(tasks['start']) ?? text(table(tasks['start'])['command']);
  const imports = JSON.stringify(config?.['imports'] ?? {});
  const framework = /\$fresh|@fresh\//.test(imports)
    ? 'fresh'
    : /oak/.test(imports)
      ? 'oak'
      : /hono/.test(imports)
        ? 'hono'
        : undefined;
  const entry =
    folder.first('main.ts', 'main.js', 'server.ts', 'mod.ts', 'src/main.ts') ??
    filesWith(folder, 'deno', /Deno\.serve\(/)[0]?.file;
  const serves = entry !== undefined && /Deno\.serve|\.listen\(|serve\(|\bapp\b|start\(/.test(folder.read(entry) ?? '');
  const base = {
    named: text(config?.['name']),
    path: folder.path,
    provider: 'deno',
    language: 'typescript',
    ...(framework ? { framework } : {}),
  } as const;
  if (!task && !serves) {
    return [
      {
        ...base,
        role: 'library',
        type: 'tool',
        confidence: 'medium',
        runtime: { name: 'deno', wanted: undefined, from: undefined, packages: [], version: undefined },
        evidence: [folder.evidence(mark, 'has nothing that starts')],
        install: [],
        build: [],
        collect: [],
        lockfiles: [],
      },
    ];
  }
  const toolchain = toolchainOf(folder, 'deno');
  const isLocked = folder.has('deno.lock');
  if (!isLocked) noteNoLock(folder, mark, `write one: deno install --entrypoint ${entry ?? 'main.ts'}`);
  const start = task
    ? said(folder, mark, task, 'tasks.start')
    : said(folder, entry ?? mark, `deno run --allow-net --allow-env --allow-read ${entry}`, 'serves');
  const inStart = portOfCommand(start.value);
  const port = firstOf(
    inStart ? { ...start, value: inStart } : undefined,
    scanPort(folder, 'deno'),
    portOfExample(folder),
    habit(folder, mark, 8000, 'the port of Deno'),
  );
  const health = scanHealth(folder, 'deno');
  const build = text(tasks['build']) === undefined ? [] : ['deno task build'];
  return [
    {
      ...base,
      role: 'application',
      type: 'service',
      manager: 'deno',
      confidence: 'high',
      runtime: toolchain.runtime,
      evidence: withEvidence(folder.evidence(mark, 'a project of Deno'), toolchain.evidence),
      install: [`deno install${isLocked ? ' --frozen' : ''}${entry ? ` --entrypoint ${entry}` : ''}`],
      build,
      collect: ['cp -a . /out/'],
      buildPackages: toolchain.build,
      start,
      ...(port ? { port } : {}),
      ...(health ? { health } : {}),
      environment: { DENO_DIR: '/tmp/deno' },
      lockfiles: isLocked ? [{ path: folder.at('deno.lock'), kind: 'deno' }] : [],
    },
  ];
}
