// What a provider is: it looks at one folder and says what it finds there, with evidence.
import type { Draft, Evidence, Found, ProviderName } from './plan.ts';
import type { Folder } from './project.ts';

export interface Provider {
  readonly name: ProviderName;
  /** Files whose presence makes a folder worth a look; a name, or an ending that begins with "*". */
  readonly marks: readonly string[];
  /** Such files say nothing below a folder that another mark has taken. */
  readonly weakMarks?: readonly string[];
  detect(folder: Folder): readonly Draft[];
}

export function isMarked(names: readonly string[], marks: readonly string[]): boolean {
  return marks.some((mark) =>
    mark.startsWith('*') ? names.some((name) => name.endsWith(mark.slice(1))) : names.includes(mark),
  );
}

/** A value that only the framework's habit gives. */
export function habit<Value>(folder: Folder, file: string, value: Value, what: string): Found<Value> {
  return { value, from: folder.evidence(file, what), confidence: 'low' };
}

/** A value that a file says. */
export function said<Value>(folder: Folder, file: string, value: Value, what: string): Found<Value> {
  return { value, from: folder.evidence(file, what), confidence: 'high' };
}

/** The port of `--port 3000`, `-p 3000`, `PORT=3000` or `:3000` in a command. */
export function portOfCommand(command: string): number | undefined {
  const found =
    /(?:--port|--bind-port|--http-port|-p|--server\.port)[ =](\d{2,5})\b/.exec(command) ??
    /\bPORT=(\d{2,5})\b/.exec(command) ??
    /(?:--bind|-b|--listen|-l|--address|--host|-S)[ =]\S{0,60}:(\d{2,5})\b/.exec(command);
  const port = Number(found?.[1]);
  return port > 0 && port <= 65_535 ? port : undefined;
}

/** The port that an example of the environment names. */
export function portOfExample(folder: Folder): Found<number> | undefined {
  for (const file of ['.env.example', '.env.sample', '.env.template', '.env.dist']) {
    const port = Number(
      /^(?:export[ \t]+)?(?:APP_|SERVER_|HTTP_)?PORT[ \t]*=[ \t]*['"]?(\d{2,5})\b/m.exec(folder.read(file) ?? '')?.[1],
    );
    if (port > 0 && port <= 65_535)
      return { value: port, from: folder.evidence(file, `PORT is ${port}`), confidence: 'medium' };
  }
  return undefined;
}

/** The first that was found. */
export function firstOf<Value>(...all: readonly (Found<Value> | undefined)[]): Found<Value> | undefined {
  return all.find((each) => each !== undefined);
}

export function withEvidence(...all: readonly (Evidence | readonly Evidence[] | undefined)[]): readonly Evidence[] {
  return all.flatMap((each) => each ?? []);
}

/** A note that a build without a lock may differ tomorrow. */
export function noteNoLock(folder: Folder, file: string, mend: string): void {
  folder.note(file, 'no lock file: another day brings other versions', mend);
}

/** One of several programs that doesn't listen runs all the time when its name says so; else it is run by hand. */
export function isWorker(name: string): boolean {
  return /work|consum|schedul|cron|daemon|agent|bot$|jobs?$|queue|listener|watch/i.test(name);
}
