// What a Procfile says: the processes of an application, one container each.
import type { Draft, PlannedProcess } from './plan.ts';
import type { Folder } from './project.ts';
import { habit, portOfCommand } from './provider.ts';

/** More processes than any of them has. */
const maxProcesses = 20;

export function processesOf(folder: Folder): readonly PlannedProcess[] {
  return (folder.read('Procfile') ?? '')
    .split('\n')
    .flatMap((line) => {
      const found = /^\s*([A-Za-z0-9_-]{1,30})\s*:\s*(\S.*)$/.exec(line);
      return found
        ? [
            {
              name: (found[1] ?? '').toLowerCase().replaceAll('_', '-'),
              command: (found[2] ?? '').trim().slice(0, 2000),
            },
          ]
        : [];
    })
    .slice(0, maxProcesses);
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
