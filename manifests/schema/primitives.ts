// The words that all parts of a manifest are made of: names, paths, texts, ports, and how many of a thing there may be.
import { z } from 'zod';

/** A name that is a DNS label, so that it can be a container's alias and a part of an image's name. */
export const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'a name: 1 to 40 of a-z, 0-9 and "-", not at its ends');
/** A path inside a container: absolute, without "." or "..", without a trailing slash. */
export const absolutePath = z
  .string()
  .max(1024)
  .regex(/^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/, 'an absolute path without "." and ".."');
/** A path below the manifest's folder. */
export const relativePath = z
  .string()
  .max(1024)
  .regex(
    /^(?!\/)(?:(?!\.{1,2}(?:\/|$))[^/\0]+)(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)*$|^\.$/,
    'a path below the folder of the manifest',
  );
export const mode = z.string().regex(/^[0-7]{4}$/, 'four octal digits, such as "0644"');
/** A uid or gid. */
export const identifier = z.int().min(0).max(2_147_483_647);
export const port = z.int().min(1).max(65_535);
/** Text that an engine can hand to a process, which ends it at a zero byte. */
export const text = z
  .string()
  .max(4096)
  .regex(/^[^\0]*$/, 'text without a zero byte');
/** A few words of one line. */
export const word = z
  .string()
  .max(200)
  .regex(/^[^\0\r\n]+$/, 'a text of one line');
/** A path that can stand in /etc/passwd. */
export const accountPath = absolutePath.regex(/^[^:\n]*$/, 'a path without ":" and line breaks');
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest: "sha256:" and 64 hexadecimal digits');
export const owner = z.strictObject({ uid: identifier.default(0), gid: identifier.default(0) });
export const environment = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable'), text);
export const debianName = z.string().regex(/^[a-z0-9][a-z0-9.+-]{1,100}$/, 'the name of a Debian package');
export const debianNames = z.array(debianName).max(200);
/** Days and hours are read in a named zone: "Europe/Berlin", "UTC". */
export const zone = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/, 'a time zone such as "Europe/Berlin"');
export const instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)$/, 'a time such as "2026-12-24T18:00:00+01:00"');

/** More than a project has; what walks along dependencies walks no deeper. */
const maxNamed = 500;

/** For records of named things. */
export function few(all: object): boolean {
  return Object.keys(all).length <= maxNamed;
}
export const atMost = `at most ${maxNamed}`;

export const health = z
  .strictObject({
    http: z
      .strictObject({
        port,
        path: z
          .string()
          .max(1024)
          .regex(/^\/[^\0\r\n]*$/, 'a path that begins with "/"'),
        status: z.int().min(100).max(599).default(200),
      })
      .optional(),
    tcp: z.strictObject({ port }).optional(),
    interval_seconds: z.int().min(1).max(3600).default(5),
    timeout_seconds: z.int().min(1).max(60).default(2),
    retries: z.int().min(1).max(100).default(3),
    start_period_seconds: z.int().min(0).max(3600).default(10),
  })
  .refine((check) => (check.http === undefined) !== (check.tcp === undefined), 'exactly one of "http" and "tcp"');

export const resources = z.strictObject({
  memory_mib: z.int().min(6).optional(),
  millicpus: z.int().min(10).optional(),
  processes: z.int().min(1).optional(),
  /** Of /dev/shm. */
  shm_mib: z.int().min(1).max(1_048_576).optional(),
  open_files: z.int().min(64).max(1_048_576).optional(),
});

export const platform = z.enum(['linux/amd64', 'linux/arm64']);
export type Platform = z.infer<typeof platform>;

/** A command: its words, or one line for the shell, which is written out as its words. */
export const commandLine = z.union([
  z.array(text).max(100),
  text.min(1).transform((line): string[] => ['/bin/sh', '-c', line]),
]);
