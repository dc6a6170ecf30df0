// What a Procfile says: the processes of an application, one container each.
import type { Draft, PlannedProcess } from './plan.ts';
import type { Folder } from './project.ts';
import { habit, portOfCommand } from './provider.ts';

/** More processes than any of them has. */
const maxProcesses = 20;
/** Leaves room for the application's name before it, in 40 characters. */
const maxName = 24;
/** A manifest takes texts of up to 4096 characters. */
const maxCommand = 2000;

export function processesOf(folder: Folder): readonly PlannedProcess[] {
  const all = (folder.read('Procfile') ?? '').split('\n').flatMap((line) => {
    const [, word = '', command = ''] = /^\s*([A-Za-z0-9_-]{1,60})\s*:\s*(\S.*)$/.exec(line) ?? [];
    const name = word.toLowerCase().replace(/[_-]+/g, '-').slice(0, maxName).replace(/^-|-$/g, '');
    return name === '' ? [] : [{ name, command: command.trim().slice(0, maxCommand) }];
  });
  // Of two lines of one name the first counts.
  return all.filter(({ name }, at) => all.findIndex((each) => each.name === name) === at).slice(0, maxProcesses);
}

/** Its web line starts the application; the others are processes beside it. */
export function withProcfile(folder: Folder, draft: Draft): { draft: Draft; processes: readonly PlannedProcess[] } {
  const all = processesOf(folder);
  const release = all.find(({ name }) => name === 'release');
  if (release) {
    folder.note(
      'Procfile',
      `the release line "${release.command}" is not part of the plan`,
      'run it before a deploy, as a container of its own that ends',
    );
  }
  const first =
    all.find(({ name }) => name === 'web') ?? (draft.start ? undefined : all.find(({ name }) => name !== 'release'));
  const processes = all.filter((each) => each !== first && each !== release);
  const evidence = [...draft.evidence, folder.evidence('Procfile', `names ${all.map(({ name }) => name).join(', ')}`)];
  if (!first) return { draft: { ...draft, evidence }, processes };
  const from = folder.evidence('Procfile', `its ${first.name} line`);
  const port = portOfCommand(first.command);
  const listens = first.name === 'web';
  const settled = port
    ? { value: port, from, confidence: 'high' as const }
    : (draft.port ?? (listens ? habit(folder, 'Procfile', 8080, 'a web process gets its port by PORT') : undefined));
  return {
    draft: {
      ...draft,
      evidence,
      start: { value: first.command, from, confidence: 'high' },
      ...(settled ? { port: settled, type: 'service' } : {}),
    },
    processes,
  };
}

/** An application of which only its Procfile is known. */
export function procfileDraft(folder: Folder): Draft {
  return {
    named: undefined,
    path: folder.path,
    provider: 'procfile',
    language: 'shell',
    role: 'application',
    type: 'worker',
    confidence: 'low',
    runtime: { name: 'shell', wanted: undefined, from: undefined, packages: [], version: undefined },
    evidence: [],
    install: [],
    build: [],
    collect: ['cp -a . /out/'],
    runPackages: ['coreutils', 'dash'],
    lockfiles: [],
  };
}
