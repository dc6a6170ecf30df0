// A plan as lines that a person reads: what was decided, and which file decided it.
import type { Evidence, Found, Plan, PlannedApplication } from './plan.ts';

/** Each application with its decisions, then what isn't deployed, then the notes with their mends. */
export function describePlan(plan: Plan): readonly string[] {
  const aside = plan.matches.filter(({ role }) => role !== 'application');
  return [
    `project ${plan.project}`,
    ...plan.applications.flatMap(applicationLines),
    ...aside.map(({ role, path, provider, evidence }) => `${role} ${path} ${provider}${why(evidence.at(-1))}`),
    ...plan.notes.map(({ file, message, mend }) => `note ${file}: ${message}${mend ? `; mend: ${mend}` : ''}`),
  ];
}

function applicationLines(application: PlannedApplication): readonly string[] {
  const { name, path, provider, language, framework, type, confidence, manager, runtime, root, startIn } = application;
  const kind = [provider, language === provider ? undefined : language, framework].filter((each) => each !== undefined);
  const held = runtime.packages.length > 0 ? `${runtime.packages.join(' ')} ${runtime.version}` : undefined;
  const has = [runtime.node && `node ${runtime.node}`, held].filter(Boolean).join(', ');
  const row = (key: string, value: string, from?: Evidence): string => `  ${key.padEnd(9)}${value}${why(from)}`;
  const found = (key: string, each: Found<unknown> | undefined): readonly string[] =>
    each === undefined ? [] : [row(key, `${each.value} [${each.confidence}]`, each.from)];
  return [
    `${name} ${path} ${kind.join(' ')} ${type} [${confidence}]`,
    ...(runtime.wanted === undefined ? [] : [row('version', runtime.wanted, decisive(application))]),
    ...(has === '' ? [] : [row('runtime', has)]),
    ...(application.image === undefined ? [] : [row('image', application.image)]),
    ...(manager === undefined ? [] : [row('manager', manager)]),
    ...(root === path ? [] : [row('root', `${root}, starts in ${startIn === '' ? '.' : startIn}`)]),
    ...application.closure.filter((glob) => /^[\w-]+\/.*\/\*\*$/.test(glob)).map((glob) => row('source', glob)),
    ...application.install.map((line) => row('install', line)),
    ...application.build.map((line) => row('build', line)),
    ...application.collect.map((line) => row('collect', line)),
    ...(application.buildPackages.length > 0 ? [row('tools', application.buildPackages.join(' '))] : []),
    ...(application.runPackages.length > 0 ? [row('beside', application.runPackages.join(' '))] : []),
    ...found('start', application.start),
    ...found('port', application.port),
    ...found('health', application.health),
    ...application.processes.map((process) => row('process', `${process.name}: ${process.command}`)),
    ...(application.user === undefined ? [] : [row('user', application.user)]),
    ...application.lockfiles.map((lock) => row('lock', `${lock.path} (${lock.kind})`)),
  ];
}

function decisive({ runtime, evidence }: PlannedApplication): Evidence | undefined {
  return evidence.find(({ file, what }) => file === runtime.from && what.includes(runtime.wanted ?? ''));
}

function why(evidence: Evidence | undefined): string {
  return evidence === undefined ? '' : ` <- ${evidence.file}: ${evidence.what}`;
}
