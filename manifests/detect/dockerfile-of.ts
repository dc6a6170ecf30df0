// From a manifest to a Dockerfile that makes the same of it with `docker build`, and how a hand's edit is noticed.
import { createHash } from 'node:crypto';
import type { Manifest, ManifestApplication, ManifestContainer } from '#manifests/schema';
import { ManifestError } from '../error.ts';

export interface DockerFiles {
  readonly dockerfile: string;
  readonly dockerignore: string;
}

/** What Debian 12 is called in registries. */
const debianImage = 'debian:bookworm-slim';
const mark = '# hermesh: sha256:';

/**
 * A Dockerfile with one target a container, and the .dockerignore beside it. Each begins with the digest of the rest of
 * itself. Unlike the manifest's own build it fetches while it builds, so its bytes are another day's.
 * Throws `invalid-manifest` for a base that no Dockerfile can name.
 */
export function writeDockerfile(manifest: Manifest): DockerFiles {
  const steps = Object.entries(manifest.applications).flatMap(([name, application]) => stepStages(name, application));
  const containers = Object.entries(manifest.containers).map(([name, container]) =>
    containerStage(manifest, name, container),
  );
  const about = [
    `# Made from the manifest of ${manifest.project.name} by "hermesh manifest dockerfile".`,
    ...Object.keys(manifest.containers).map((name) => `# docker build --target ${name} .`),
  ];
  const ignored = new Set(
    Object.values(manifest.applications).flatMap(({ source }) =>
      source.exclude.map((glob) => below(source.path, glob)),
    ),
  );
  return {
    dockerfile: withDigest(
      [...about, '', ...[...steps, ...containers].map((lines) => `${lines.join('\n')}\n`)].join('\n'),
    ),
    dockerignore: withDigest(
      `${[...ignored, '.git', '**/.git', 'manifest.json', 'manifest.lock.json']
        .filter((each, at, all) => all.indexOf(each) === at)
        .sort()
        .join('\n')}\n`,
    ),
  };
}

/** Whether a text is one that was written here and not touched since. */
export function isUnedited(text: string): boolean {
  const end = text.indexOf('\n');
  return text.startsWith(mark) && end > 0 && text.slice(mark.length, end) === digestOfText(text.slice(end + 1));
}

function withDigest(text: string): string {
  return `${mark}${digestOfText(text)}\n${text}`;
}

function digestOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function stepStages(name: string, { source, runtime, build }: ManifestApplication): readonly (readonly string[])[] {
  return build.steps.map((step) => [
    `FROM ${debianImage} AS ${name}-${step.name}`,
    ...aptLines([...new Set([...runtime.debian, ...step.debian])]),
    ...nodeLines(runtime.node),
    `COPY ${json([source.path, '/src/'])}`,
    ...step.needs.map((each) => `COPY --from=${name}-${each} /out /steps/${each}`),
    ...environmentLines(step.environment),
    'WORKDIR /out',
    runLine(step.run),
  ]);
}

function containerStage(manifest: Manifest, name: string, container: ManifestContainer): readonly string[] {
  const uses = Object.entries(container.applications);
  const node = uses.map(([each]) => manifest.applications[each]?.runtime.node).find((each) => each !== undefined);
  const directories = container.directories.map(
    ({ path, mode, owner }) => `install -d -m ${mode} -o ${owner.uid} -g ${owner.gid} ${quote(path)}`,
  );
  const accounts = [
    ...container.accounts.groups.map(
      (group) =>
        `grep -q ${quote(`^${group.name}:`)} /etc/group || echo ${quote(`${group.name}:x:${group.gid}:`)} >> /etc/group`,
    ),
    ...container.accounts.users.map(
      (user) =>
        `grep -q ${quote(`^${user.name}:`)} /etc/passwd || echo ${quote(`${user.name}:x:${user.uid}:${user.gid}::${user.home}:${user.shell}`)} >> /etc/passwd`,
    ),
  ];
  const links = container.links.map(({ path, target }) => `ln -sfn ${quote(target)} ${quote(path)}`);
  const from = baseLine(name, container, node !== undefined);
  const prepares = [...directories, ...accounts, ...links];
  return [
    `FROM ${from} AS ${name}`,
    ...(container.debian.length > 0 ? aptLines(container.debian.filter((each) => each !== 'usr-is-merged')) : []),
    ...nodeLines(node),
    ...(prepares.length > 0 && from !== 'scratch' ? [runLine(prepares)] : []),
    ...uses.flatMap(([application, use]) => contentLines(manifest.applications[application], application, use)),
    ...container.files.map(
      ({ source, destination, mode, owner }) =>
        `COPY --chown=${owner.uid}:${owner.gid} --chmod=${mode} ${json([source, destination])}`,
    ),
    ...environmentLines(container.environment),
    ...Object.entries(container.labels).map(([key, value]) => `LABEL ${json1(key)}=${json1(value)}`),
    `WORKDIR ${container.working_directory}`,
    `USER ${container.user}`,
    ...(container.ports.length > 0 ? [`EXPOSE ${container.ports.join(' ')}`] : []),
    ...(container.stop_signal === undefined ? [] : [`STOPSIGNAL ${container.stop_signal}`]),
    ...(container.entrypoint.length > 0 ? [`ENTRYPOINT ${json(container.entrypoint)}`] : []),
    ...(container.command.length > 0 ? [`CMD ${json(container.command)}`] : []),
  ];
}

function contentLines(
  application: ManifestApplication | undefined,
  name: string,
  { destination, owner, content }: ManifestContainer['applications'][string],
): readonly string[] {
  const chown = owner.uid === 0 && owner.gid === 0 ? '' : `--chown=${owner.uid}:${owner.gid} `;
  return content.map((each) =>
    each === 'source'
      ? `COPY ${chown}${json([application?.source.path ?? '.', `${destination}/`])}`
      : `COPY --from=${name}-${each} ${chown}${json(['/out/', `${destination}/`])}`,
  );
}

function baseLine(
  name: string,
  { base, base_image, debian, accounts, links }: ManifestContainer,
  hasNode: boolean,
): string {
  if (base_image !== undefined) return base_image;
  if (base.kind === 'registry') return base.reference;
  // What is copied needs no Debian below it, what is installed or runs on a Node that is does.
  if (base.kind === 'scratch')
    return debian.length + accounts.users.length + links.length > 0 || hasNode ? debianImage : 'scratch';
  throw new ManifestError(
    'invalid-manifest',
    `Cannot write a Dockerfile for container "${name}": its base of kind "${base.kind}" has no name in a registry; use "registry" or "scratch"`,
  );
}

function aptLines(packages: readonly string[]): readonly string[] {
  if (packages.length === 0) return [];
  return [
    `RUN apt-get update && apt-get install --yes --no-install-recommends \\\n${packages.map((each) => `      ${each} \\\n`).join('')}    && rm -rf /var/lib/apt/lists/*`,
  ];
}

function nodeLines(version: string | undefined): readonly string[] {
  return version === undefined ? [] : [`COPY --from=node:${version}-bookworm-slim /usr/local/ /usr/local/`];
}

function environmentLines(environment: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(environment).map(([key, value]) => `ENV ${key}=${json1(value).replaceAll('$', '\\$')}`);
}

/** Simple lines are joined so that each must succeed; a line that opens a block goes to the shell as it is written. */
function runLine(lines: readonly string[]): string {
  const isSimple = lines.every(
    (line) =>
      !/\n|\\$|^\s*(?:if|for|while|until|case|then|else|elif|do|done|fi|esac|\{|\}|\()(?:\s|$|;)|<<|(?:^|[^&])&\s*$|[;{]\s*$|#/.test(
        line,
      ),
  );
  return isSimple
    ? `RUN ${lines.map((line) => (line.includes('||') ? `(${line})` : line)).join(' \\\n    && ')}`
    : `RUN ${json(['/bin/sh', '-euc', lines.join('\n')])}`;
}

function below(path: string, glob: string): string {
  if (path === '.') return glob;
  return glob.startsWith('**/') ? glob : `${path}/${glob}`;
}

function quote(text: string): string {
  return /^[\w./:@^-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function json(words: readonly string[]): string {
  return `[${words.map(json1).join(', ')}]`;
}

function json1(text: string): string {
  return JSON.stringify(text);
}
