// What a module of Go holds: one program for each folder of package main.
import type { Draft, Found } from './plan.ts';
import { baseOf, below, type Folder, parentOf } from './project.ts';
import { firstOf, isWorker, noteNoLock, type Provider, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { scanHealth, scanLoopback, scanPort } from './scan.ts';
import { workspaceOf } from './workspaces.ts';

export const goProvider: Provider = {
  name: 'go',
  marks: ['go.mod'],
  weakMarks: ['main.go'],
  detect: detectGo,
};

const frameworks: readonly (readonly [string, string])[] = [
  ['github.com/gin-gonic/gin', 'gin'],
  ['github.com/labstack/echo', 'echo'],
  ['github.com/gofiber/fiber', 'fiber'],
  ['github.com/go-chi/chi', 'chi'],
  ['github.com/gorilla/mux', 'gorilla'],
  ['google.golang.org/grpc', 'grpc'],
];

/** A module with more is a collection of tools. */
const maxPrograms = 30;

function detectGo(folder: Folder): readonly Draft[] {
  const module = /^module[ \t]+(\S+)/m.exec(folder.read('go.mod') ?? '')?.[1];
  const content = folder.read('go.mod') ?? '';
  const framework = frameworks.find(([name]) => content.includes(name))?.[1];
  const workspace = workspaceOf(folder, 'go');
  const isMember = workspace !== undefined && workspace.root !== folder.path;
  const mains = [
    ...new Set(
      folder
        .files()
        .filter(
          (file) =>
            file.endsWith('.go') &&
            /^package main\b/m.test(folder.read(file) ?? '') &&
            /^func main\(\)/m.test(folder.read(file) ?? ''),
        )
        .map(parentOf),
    ),
  ].slice(0, maxPrograms);
  const mark = folder.first('go.mod', 'main.go') ?? 'go.mod';
  const base = {
    path: folder.path,
    provider: 'go',
    language: 'go',
    ...(framework ? { framework } : {}),
  } as const;
  const own = baseOf(module?.replace(/\/v\d+$/, '') ?? '') || undefined;
  if (mains.length === 0) {
    return [
      {
        ...base,
        named: own,
        role: 'library',
        type: 'tool',
        confidence: 'high',
        runtime: { name: 'go', wanted: undefined, from: undefined, packages: [], version: undefined },
        evidence: [folder.evidence(mark, 'has no package main')],
        install: [],
        build: [],
        collect: [],
        lockfiles: [],
      },
    ];
  }
  const toolchain = toolchainOf(folder, 'go');
  const lock = isMember && folder.project.folder(workspace.root).has('go.work.sum') ? 'go.work.sum' : 'go.sum';
  const needsLock = /^\s*(?:require[ \t]+)?[\w.-]+\.\w+\/\S+[ \t]+v\d/m.test(content);
  if (needsLock && !folder.has('go.sum')) noteNoLock(folder, 'go.mod', 'write one: go mod tidy');
  const root = isMember ? workspace.root : folder.path;
  return mains.map((main): Draft => {
    const name = main === '.' ? (own ?? 'app') : baseOf(main);
    const view = main === '.' ? folder : folder.project.folder(folder.at(main));
    const whole = mains.length === 1 ? folder : view;
    const from = below(view.path, root);
    const port = portOf(folder, whole, view);
    const health = scanHealth(whole, 'go');
    scanLoopback(whole, 'go');
    return {
      ...base,
      named: name,
      role: 'application',
      type: port
        ? 'service'
        : (mains.length > 1 && !isWorker(name)) ||
            /\b(?:cobra|flag\.Parse)\b/.test(folder.read(`${main}/main.go`) ?? '')
          ? 'tool'
          : 'worker',
      manager: 'go',
      confidence: 'high',
      runtime: toolchain.runtime,
      evidence: withEvidence(
        folder.evidence(mark, module ? `the module ${module}` : 'a program of Go'),
        { file: view.path, what: 'holds package main with func main' },
        toolchain.evidence,
        isMember ? { file: workspace.file, what: `${folder.path} is used by the workspace` } : undefined,
      ),
      install: [],
      build: [
        `CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/${name} ${from === '.' ? '.' : `./${from}`}`,
      ],
      collect: [],
      buildPackages: toolchain.build,
      start: said(folder, mark, `./${name}`, `builds ${name}`),
      startIn: '',
      ...(port ? { port } : {}),
      ...(health ? { health } : {}),
      lockfiles:
        folder.has('go.sum') || lock === 'go.work.sum'
          ? [{ path: lock === 'go.work.sum' ? folder.project.folder(root).at(lock) : folder.at(lock), kind: 'go' }]
          : [],
      ...(isMember ? { workspace: { root, closure: workspace.closure(folder.path) } } : {}),
    };
  });
}

/** Its own folder first; the rest of the module where it is the only program, or imports what serves. */
function portOf(folder: Folder, whole: Folder, own: Folder): Found<number> | undefined {
  const serves = /net\/http|gin-gonic|echo|fiber|chi|grpc|net\.Listen|server/i.test(
    own
      .files()
      .map((file) => own.read(file) ?? '')
      .join('\n')
      .slice(0, 200_000),
  );
  return firstOf(scanPort(own, 'go'), scanPort(whole, 'go'), serves ? portOfExample(folder) : undefined);
}
