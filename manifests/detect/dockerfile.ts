// What an existing Dockerfile says: the image it starts from, ports, user, command and health check of its last stage.
import type { Draft, Evidence, Found } from './plan.ts';
import type { Folder } from './project.ts';

export interface Dockerfile {
  readonly file: string;
  readonly image: string | undefined;
  readonly ports: readonly number[];
  readonly user: string | undefined;
  readonly command: string | undefined;
  readonly healthPath: string | undefined;
  /** How many lines run something: they aren't carried over. */
  readonly runs: number;
}

/** A Dockerfile written by hand has fewer. */
const maxInstructions = 2000;
const names = ['Dockerfile', 'Containerfile', 'Dockerfile.prod', 'Dockerfile.production'];

export function dockerfileOf(folder: Folder): Dockerfile | undefined {
  const file = folder.first(...names);
  const content = file && folder.read(file);
  if (!file || content === undefined) return undefined;
  if (/^# hermesh: /.test(content)) return undefined;
  const instructions = instructionsOf(content);
  const stages: { name: string | undefined; from: string; own: [string, string][] }[] = [];
  const variables = new Map<string, string>();
  for (const [word, rest] of instructions) {
    const value = rest.replace(
      /\$\{?(\w+)(?::-([^}]*))?\}?/g,
      (whole, name: string, other?: string) => variables.get(name) ?? other ?? whole,
    );
    if (word === 'FROM') {
      const [from = '', , name] = value.replace(/^(?:--\S+\s+)+/, '').split(/\s+/);
      stages.push({ name: name?.toLowerCase(), from, own: [] });
    } else if (word === 'ARG' || word === 'ENV') {
      for (const [, name = '', set = ''] of value.matchAll(/(\w+)[= ]"?([^"\s]*)"?/g)) variables.set(name, set);
      stages.at(-1)?.own.push([word, value]);
    } else stages.at(-1)?.own.push([word, value]);
  }
  if (stages.length === 0) {
    folder.note(file, 'has no FROM: it decides nothing', 'write one, or remove the file');
    return undefined;
  }
  // A stage may go on from one before it; each is left behind, so a name that leads to itself ends.
  const chain = [stages.at(-1)];
  for (let index = stages.length - 1; index >= 0; ) {
    const from = stages[index]?.from.toLowerCase();
    index = stages.slice(0, index).findLastIndex((stage) => stage.name !== undefined && stage.name === from);
    if (index >= 0) chain.unshift(stages[index]);
  }
  const own = chain.flatMap((stage) => stage?.own ?? []);
  const last = (word: string): string | undefined => own.findLast(([each]) => each === word)?.[1];
  const check = last('HEALTHCHECK');
  const command = [commandOf(last('ENTRYPOINT')), commandOf(last('CMD'))]
    .filter((each) => each !== undefined)
    .join(' ');
  return {
    file,
    image: chain[0]?.from,
    ports: own
      .filter(([word]) => word === 'EXPOSE')
      .flatMap(([, value]) => value.split(/\s+/).filter((each) => !each.endsWith('/udp')))
      .map((each) => Number.parseInt(each, 10))
      .filter((port) => port > 0 && port <= 65_535),
    user: last('USER')?.trim(),
    command: command || undefined,
    healthPath: /https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\S{1,20}?)?(\/[\w./-]*)/.exec(check ?? '')?.[1],
    runs: own.filter(([word]) => word === 'RUN').length,
  };
}

/** An application that only a Dockerfile describes. */
export function dockerfileDraft(folder: Folder, dockerfile: Dockerfile): Draft {
  const { file, image, command } = dockerfile;
  const named = image !== undefined && image !== 'scratch' && !image.includes('$');
  if (image?.includes('$'))
    folder.note(file, `starts from "${image}", which only a build knows`, 'give its ARG a default');
  else if (named && !image.includes('@sha256:'))
    folder.note(
      file,
      `starts from "${image}": a tag can be moved`,
      'name the image by its digest; until then the lock pins it',
    );
  if (dockerfile.runs > 0) {
    folder.note(
      file,
      `what its RUN lines do is not carried over (${dockerfile.runs})`,
      'write them as build steps, which run without network, or as Debian packages',
    );
  }
  const port = portOfDockerfile(folder, dockerfile);
  const health = healthOfDockerfile(folder, dockerfile);
  return {
    named: undefined,
    path: folder.path,
    provider: 'dockerfile',
    language: 'dockerfile',
    role: 'application',
    type: port ? 'service' : 'worker',
    confidence: 'medium',
    runtime: { name: 'image', wanted: undefined, from: undefined, packages: [], version: undefined },
    evidence: [folder.evidence(file, image ? `starts from ${image}` : 'a Dockerfile')],
    install: [],
    build: [],
    collect: ['cp -a . /out/'],
    ...(command
      ? { start: { value: command, from: folder.evidence(file, 'its command'), confidence: 'high' as const } }
      : {}),
    ...(port ? { port } : {}),
    ...(health ? { health } : {}),
    ...userOf(dockerfile),
    ...(named ? { image } : {}),
    lockfiles: [],
  };
}

/** What it says of an application that another provider found in the same folder. */
export function withDockerfile(folder: Folder, draft: Draft, dockerfile: Dockerfile): Draft {
  const port = draft.type === 'static' ? undefined : portOfDockerfile(folder, dockerfile);
  const health = healthOfDockerfile(folder, dockerfile);
  const what: Evidence = folder.evidence(dockerfile.file, `starts from ${dockerfile.image ?? 'nothing'}`);
  return {
    ...draft,
    ...(port && draft.port?.confidence !== 'high'
      ? { port, type: draft.type === 'worker' || draft.type === 'tool' ? 'service' : draft.type }
      : {}),
    ...(health && draft.type !== 'static' ? { health } : {}),
    ...(draft.start || !dockerfile.command
      ? {}
      : {
          start: {
            value: dockerfile.command,
            from: folder.evidence(dockerfile.file, 'its command'),
            confidence: 'medium' as const,
          },
        }),
    ...userOf(dockerfile),
    evidence: [...draft.evidence, what],
  };
}

function portOfDockerfile(folder: Folder, { file, ports }: Dockerfile): Found<number> | undefined {
  const [port] = ports;
  return port === undefined
    ? undefined
    : { value: port, from: folder.evidence(file, `EXPOSE ${port}`), confidence: 'high' };
}

function healthOfDockerfile(folder: Folder, { file, healthPath }: Dockerfile): Found<string> | undefined {
  return healthPath === undefined
    ? undefined
    : { value: healthPath, from: folder.evidence(file, 'its HEALTHCHECK'), confidence: 'high' };
}

function userOf({ user }: Dockerfile): { user?: string } {
  return user !== undefined && /^\d{1,9}(?::\d{1,9})?$/.test(user) ? { user } : {};
}

function instructionsOf(content: string): readonly (readonly [string, string])[] {
  const lines = content
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replace(/\\[ \t]*\r?\n/g, ' ')
    .split('\n');
  return lines.slice(0, maxInstructions).flatMap((line) => {
    const found = /^\s*([A-Za-z]+)\s+(\S.*)$/.exec(line);
    return found ? [[(found[1] ?? '').toUpperCase(), (found[2] ?? '').trim()] as const] : [];
  });
}

function commandOf(value: string | undefined): string | undefined {
  if (!value?.startsWith('[')) return value;
  try {
    const words: unknown = JSON.parse(value);
    return Array.isArray(words) ? words.map(String).join(' ') : undefined;
  } catch {
    return value;
  }
}
