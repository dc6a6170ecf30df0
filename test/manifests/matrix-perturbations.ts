// What must not change an image: how a checkout came to be, each with what shows that it really is another.
import { execFileSync } from 'node:child_process';
import { chown, link, lstat, mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface Perturbation {
  readonly name: string;
  readonly needsRoot?: boolean;
  /** Writes files (path and text, relative to the folder) in a way that differs. */
  make?(folder: string, files: Files): Promise<void>;
  /** Changes files that were written as usual. */
  change?(folder: string, files: Files): Promise<void>;
  /** What is another then; it must differ from that of a usual checkout. */
  show(folder: string, files: Files): Promise<unknown>;
}

export type Files = readonly (readonly [string, string])[];

/** Two files of one content, which may be one file with two names. */
export const twins = ['app/lib/one', 'app/lib/two'] as const;

export const perturbations: readonly Perturbation[] = [
  {
    name: 'other times',
    async change(folder, files) {
      for (const [index, [name]] of files.entries()) await utimes(path.join(folder, name), index, 1_000_000 * index);
    },
    show: async (folder, files) =>
      await Promise.all(files.map(async ([name]) => Math.floor((await stat(path.join(folder, name))).mtimeMs / 1e9))),
  },
  {
    name: 'created in reverse order',
    make: (folder, files) => write(folder, [...files].reverse()),
    // The numbers of inodes, or the order of the listing, or the times: whichever the file system keeps.
    async show(folder, files) {
      const [first, last] = [files[0]?.[0] ?? '', files.at(-1)?.[0] ?? ''];
      const [one, other] = [
        await stat(path.join(folder, first), { bigint: true }),
        await stat(path.join(folder, last), { bigint: true }),
      ];
      return one.birthtimeNs < other.birthtimeNs || (one.birthtimeNs === other.birthtimeNs && one.ino < other.ino);
    },
  },
  {
    name: 'umask 002',
    async make(folder, files) {
      const umask = process.umask(0o002);
      try {
        await write(folder, files);
      } finally {
        process.umask(umask);
      }
    },
    show: async (folder, files) =>
      await Promise.all(files.map(async ([name]) => (await stat(path.join(folder, name))).mode & 0o777)),
  },
  {
    name: 'owner 1000:1000',
    needsRoot: true,
    async change(folder, files) {
      for (const [name] of files) await chown(path.join(folder, name), 1000, 1000);
    },
    show: async (folder, files) =>
      await Promise.all(files.map(async ([name]) => (await stat(path.join(folder, name))).uid)),
  },
  {
    name: 'a user xattr',
    async change(folder, files) {
      for (const [name, text] of files) {
        const { mode } = await stat(path.join(folder, name));
        const words = ['--xattrs', '--xattrs-include=user.*', '-xpf', '-', '-C', folder];
        execFileSync('tar', words, { input: tarWithXattr(name, text, mode & 0o777) });
      }
    },
    async show(folder, [file]) {
      const words = [
        '--xattrs',
        '--xattrs-include=user.*',
        '--format=posix',
        '-cf',
        '-',
        '-C',
        folder,
        file?.[0] ?? '',
      ];
      return execFileSync('tar', words).includes('SCHILY.xattr.user.origin=elsewhere');
    },
  },
  {
    name: 'hard links for copies',
    async change(folder) {
      await rm(path.join(folder, twins[1]));
      await link(path.join(folder, twins[0]), path.join(folder, twins[1]));
    },
    show: async (folder) => (await lstat(path.join(folder, twins[0]))).nlink,
  },
];

/** A checkout as it usually is, under the umask 022. */
export async function write(folder: string, files: Files): Promise<void> {
  for (const [name, text] of files) {
    const at = path.join(folder, name);
    await mkdir(path.dirname(at), { recursive: true });
    await writeFile(at, text, { mode: name.endsWith('.sh') ? 0o777 : 0o666 });
  }
}

/** Writes and changes files as the perturbation says, without one as usual. */
export async function checkOut(folder: string, files: Files, perturbation?: Perturbation): Promise<void> {
  await (perturbation?.make ?? write)(folder, files);
  await perturbation?.change?.(folder, files);
}

/** One file with an extended attribute, as GNU tar writes it: Node can set none, and `setfattr` isn't everywhere. */
function tarWithXattr(name: string, text: string, mode: number): Buffer {
  const body = 'SCHILY.xattr.user.origin=elsewhere\n';
  // The length of a record counts itself.
  const record = Buffer.from(`${body.length + 3} ${body}`);
  const named = Buffer.from(`${Buffer.byteLength(name) + ' path=\n'.length + 2} path=${name}\n`);
  const pax = Buffer.concat([record, named]);
  const bytes = Buffer.from(text);
  const blocks = [header('pax', 0o644, pax.length, 'x'), pad(pax), header('file', mode, bytes.length, '0'), pad(bytes)];
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(name: string, mode: number, size: number, flag: string): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  block.write(name, 0);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  block.write(flag, 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(' ', 148, 156);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block.write('\0 ', 154, 'latin1');
  return block;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}
