// Lines of a log that point to a known fault: what they look like, what they mean, how it is mended.
import type { LogLine } from './engine.ts';

export interface LogSign {
  readonly code: string;
  readonly pattern: RegExp;
  readonly means: string;
  readonly mend: string;
}

export const logSigns: readonly LogSign[] = [
  {
    code: 'log-connection-refused',
    pattern: /connection refused|ECONNREFUSED/i,
    means: 'it was refused a connection to something that it needs',
    mend: 'see whether what it connects to runs and listens on that port',
  },
  {
    code: 'log-name-resolution',
    pattern:
      /ENOTFOUND|EAI_AGAIN|bad address|could not resolve|name or service not known|no such host|temporary failure in name resolution|getaddrinfo/i,
    means: 'it could not resolve the name of something that it needs',
    mend: 'use the name of the container as the manifest has it, and see that both are of one project',
  },
  {
    code: 'log-address-in-use',
    pattern: /address already in use|EADDRINUSE/i,
    means: 'the address it wants to listen on is taken',
    mend: 'let only one process in the container listen on that port',
  },
  {
    code: 'log-permission-denied',
    pattern: /permission denied|EACCES|operation not permitted|EPERM/i,
    means: 'it was not permitted to do something',
    mend: 'correct owner and mode of the file in the manifest, or the user that it runs as',
  },
  {
    code: 'log-missing-file',
    pattern: /no such file or directory|ENOENT|cannot find module|ModuleNotFoundError|file not found/i,
    means: 'it missed a file or a module',
    mend: 'add the file to the manifest and build again',
  },
  {
    code: 'log-disk-full',
    pattern: /no space left on device|ENOSPC/i,
    means: 'its disk is full',
    mend: 'free space on the host',
  },
  {
    code: 'log-descriptors',
    pattern: /too many open files|EMFILE|ENFILE/i,
    means: 'it ran out of file descriptors',
    mend: 'look for connections or files that it never closes',
  },
  {
    code: 'log-out-of-memory',
    pattern: /out of memory|cannot allocate memory|OutOfMemoryError|heap limit|ENOMEM/i,
    means: 'it ran out of memory',
    mend: 'raise "resources.memory_mib" in the manifest, or find what holds the memory',
  },
  {
    code: 'log-missing-environment',
    pattern:
      /(environment variable|env var)\S* \S+ (is )?(not set|missing|required|undefined)|missing (required )?environment variable|KeyError: '[A-Z_]+'/i,
    means: 'it missed an environment variable',
    mend: 'set the variable in "environment" of the manifest',
  },
  {
    code: 'log-exception',
    pattern:
      /traceback \(most recent call last\)|unhandled (exception|rejection)|^panic:|segmentation fault|uncaught \w*(error|exception)|\bfatal\b/i,
    means: 'it met an error that it did not handle',
    mend: 'read the lines around it',
  },
];

/** Where a line stands in the lines that were read, counted from 1. */
export interface SignedLine {
  readonly sign: LogSign;
  readonly line: LogLine;
  readonly number: number;
}

/** For each sign the newest line that shows it, in the order of the log: the earliest is nearest to the cause. */
export function findSigns(lines: readonly LogLine[]): SignedLine[] {
  const newest = new Map<string, SignedLine>();
  lines.forEach((line, index) => {
    const sign = logSigns.find(({ pattern }) => pattern.test(line.text));
    if (sign) newest.set(sign.code, { sign, line, number: index + 1 });
  });
  return [...newest.values()].sort((a, b) => a.number - b.number);
}

/** Whether a line speaks of an error, known or not. */
export function isErrorLine(line: LogLine): boolean {
  return (
    /\b(error|err|fatal|panic|exception|critical|failed|failure)\b/i.test(line.text) || findSigns([line]).length > 0
  );
}
