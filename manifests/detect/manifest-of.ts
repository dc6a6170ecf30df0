// From a plan to the manifest that carries it out, with the keys of the schema and nothing that is its default.

import { processName } from './names.ts';
import type { Plan, PlannedApplication } from './plan.ts';
import { below } from './project.ts';

/** What a manifest is before it is parsed. */
export type ManifestObject = Readonly<Record<string, unknown>>;

/** Where an application's result lies in its containers. */
const home = '/srv';
const uid = 1000;
/** A page is served by nginx, which as a plain user can't have port 80. */
const pagePort = 8080;
/** What any step needs beside its toolchain: a shell, and programs that copy. */
const stepPackages = ['coreutils', 'dash', 'usr-is-merged'];
/** What npm's package of Node links against; Debian's own brings it along. */
const nodeLibraries = ['libstdc++6'];
/** As many as the schema takes of each. */
const maxEvidence = 50;

const lockKinds: Readonly<Record<string, string>> = { 'yarn-berry': 'yarn' };
/** Pages whose paths are the script's own: an unknown one is answered with the start. */
const singlePages = new Set(['vite', 'create-react-app', 'vue-cli', 'angular', 'parcel', 'next', 'nuxt', 'sveltekit']);

/** A manifest of the plan, to be written as JSON or parsed; keys stand in the order that people read them. */
export function manifestOf(plan: Plan): ManifestObject {
  const applications = plan.applications.map(
    (application) => [application.name, applicationOf(plan, application)] as const,
  );
  const containers = plan.applications.flatMap((application) => containersOf(application));
  return {
    manifest_version: '1.0',
    project: { name: plan.project },
    applications: Object.fromEntries(applications),
    containers: Object.fromEntries(containers),
  };
}

function applicationOf(plan: Plan, application: PlannedApplication): ManifestObject {
  const { runtime, port, processes, root } = application;
  const isPage = application.type === 'static';
  const ports = isPage ? [pagePort] : port ? [port.value] : [];
  const lockfiles = application.lockfiles.map(({ path, kind }) => ({
    path: below(path, root),
    kind: lockKinds[kind] ?? kind,
  }));
  const runs = stepLines(application);
  const own = processes.length === 0;
  return pruned({
    type: application.type,
    language: application.language,
    framework: application.framework,
    source: pruned({
      path: root,
      include: application.closure.length > 0 ? application.closure : undefined,
      exclude: plan.exclude,
    }),
    detect: pruned({
      provider: application.provider,
      version: runtime.wanted?.replaceAll(/[\0\r\n]/g, ' ').slice(0, 60),
      evidence: application.evidence
        .slice(0, maxEvidence)
        .map(({ file, what }) => ({ file, what: what.slice(0, 400) })),
    }),
    runtime: pruned({ node: runtime.node, debian: isPage ? undefined : runtime.packages }),
    lockfiles,
    build: {
      steps: [
        pruned({
          name: 'build',
          debian: [...new Set([...stepPackages, ...application.buildPackages, ...librariesOf(application)])].sort(),
          caches: [...new Set(lockfiles.map(({ kind }) => kind))],
          run: runs,
        }),
      ],
    },
    start: own ? commandOf(application) : undefined,
    ports: own ? ports : undefined,
    health: own ? healthOf(application, ports[0]) : undefined,
  });
}

/** The lines of its one step: a writable copy of the source, what installs and builds, and the result in /out. */
function stepLines(application: PlannedApplication): readonly string[] {
  const { install, build, collect, type } = application;
  const copy = ['mkdir -p /tmp/build', 'cp -R /src/. /tmp/build/', 'cd /tmp/build'];
  if (type !== 'static') return [...copy, ...install, ...build, ...collect];
  const page = [...build, ...collect].map((line) => line.replaceAll('/out', '/out/page'));
  return [
    ...copy,
    ...install,
    'mkdir -p /out/page',
    ...page,
    `printf '%s\\n' ${nginxLines(application)
      .map((line) => `'${line}'`)
      .join(' ')} > /out/nginx.conf`,
  ];
}

function nginxLines({ name, framework }: PlannedApplication): readonly string[] {
  const fallback = framework && singlePages.has(framework) ? '/index.html' : '=404';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path /tmp/${each};`,
  );
  return [
    'daemon off;',
    'pid /tmp/nginx.pid;',
    'error_log stderr;',
    'events {}',
    'http {',
    'include /etc/nginx/mime.types;',
    'access_log off;',
    ...temporary,
    `server { listen ${pagePort}; root ${home}/${name}/page; location / { try_files $uri $uri/ $uri.html ${fallback}; } }`,
    '}',
  ];
}

function containersOf(application: PlannedApplication): readonly (readonly [string, ManifestObject])[] {
  const { name, processes, port } = application;
  const web = containerOf(application, undefined);
  const beside = processes.map(
    (process) => [processName(name, process.name), containerOf(application, process.command)] as const,
  );
  if (processes.length === 0) return [[name, web]];
  const ports = port ? [port.value] : [];
  const first = pruned({ ...web, command: commandOf(application), ports, health: healthOf(application, ports[0]) });
  return [[name, first], ...beside];
}

function containerOf(application: PlannedApplication, command: string | undefined): ManifestObject {
  const { name, type, startIn, port, user, image } = application;
  const destination = `${home}/${name}`;
  const start = command ?? application.start?.value ?? '';
  const isPage = type === 'static';
  const folder = startIn === '' || startIn === '.' ? destination : `${destination}/${startIn}`;
  const isNode = application.runtime.name === 'node';
  const needsShell = !isPage && argumentsOf(start) === undefined;
  const bins = [...new Set([`${folder}/node_modules/.bin`, `${destination}/node_modules/.bin`])].join(':');
  const usesBins = isNode && !/^node\b/.test(start) && !isPage;
  const debian = isPage
    ? ['nginx-light', 'usr-is-merged']
    : [
        ...application.runPackages,
        ...librariesOf(application),
        ...(needsShell ? ['dash'] : []),
        ...(usesBins || needsShell ? ['coreutils'] : []),
        'usr-is-merged',
      ];
  return pruned({
    base_image: image,
    debian: image ? undefined : [...new Set(debian)].sort(),
    applications: { [name]: { destination, content: ['build'] } },
    directories: image ? undefined : [{ path: '/tmp', mode: '1777' }],
    accounts: image
      ? undefined
      : { users: [{ name: 'app', uid, gid: uid, home: destination }], groups: [{ name: 'app', gid: uid }] },
    command: command === undefined ? undefined : (argumentsOf(command) ?? ['/bin/sh', '-c', command]),
    environment: {
      ...absolute(application, folder, destination),
      ...(isPage || !port ? {} : { PORT: String(port.value) }),
      ...(usesBins ? { PATH: `${bins}:/usr/local/bin:/usr/bin:/bin` } : {}),
    },
    working_directory: folder === destination ? undefined : folder,
    user: user ?? (image ? undefined : `${uid}:${uid}`),
  });
}

function librariesOf({ runtime }: PlannedApplication): readonly string[] {
  return runtime.node === undefined ? [] : nodeLibraries;
}

function commandOf(application: PlannedApplication): readonly string[] | undefined {
  if (application.type === 'static')
    return ['/usr/sbin/nginx', '-c', `${home}/${application.name}/nginx.conf`, '-e', 'stderr'];
  const start = application.start?.value;
  return start === undefined ? undefined : (argumentsOf(start) ?? ['/bin/sh', '-c', start]);
}

/** The words of a command without a shell's own signs; undefined where only a shell can read it. */
function argumentsOf(command: string): readonly string[] | undefined {
  if (command === '' || /[$&|;<>()`"'\\*?#~\n{}[\]!]/.test(command)) return undefined;
  const words = command.split(/\s+/).filter((word) => word !== '');
  return /^[A-Za-z_]\w*=/.test(words[0] ?? '') ? undefined : words;
}

function healthOf({ health, type }: PlannedApplication, port: number | undefined): ManifestObject | undefined {
  if (port === undefined || type === 'worker') return undefined;
  return health ? { http: { port, path: health.value } } : { tcp: { port } };
}

/** Paths of Python are meant from where it starts, and its packages lie at the root of what was built. */
function absolute(
  { runtime, environment }: PlannedApplication,
  folder: string,
  destination: string,
): Readonly<Record<string, string>> {
  const { PYTHONPATH: paths, ...others } = environment;
  if (runtime.name !== 'python' || paths === undefined) return environment;
  const all = paths
    .split(':')
    .map((each) =>
      /^\.(?:\/|packages$)/.test(each) ? `${destination}/${each.replace(/^\.\//, '')}` : `${folder}/${each}`,
    );
  return {
    ...others,
    PATH: `${destination}/.packages/bin:/usr/local/bin:/usr/bin:/bin`,
    PYTHONPATH: [folder, ...all].join(':'),
  };
}

/** Without what is undefined or empty: the schema's defaults say the same. */
function pruned(object: Record<string, unknown>): ManifestObject {
  return Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) =>
        value !== undefined && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0),
    ),
  );
}
