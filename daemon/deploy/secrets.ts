// The values of secrets, from where the stack keeps them to files in memory that only their container is given.
import { chmod, chown, mkdir, open, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { SecretFile } from '#container-ci';
import { DaemonError } from '../errors.ts';

export interface Secrets {
  /** Below it each container has a folder: `PROJECT/CONTAINER/…`. */
  readonly folder: string;
  /** Throws `not-found` naming the secret where the stack has none of that name, before any file is written. */
  put(files: readonly SecretFile[], options: { readonly signal: AbortSignal }): Promise<void>;
  /** Whether a file of it is gone, as all are after a restart of the host. */
  isMissing(files: readonly SecretFile[]): Promise<boolean>;
  /** Removes the files of all containers of a project but these. */
  keepOnly(project: string, containers: readonly string[]): Promise<void>;
}

/** As much as a secret of Docker or Kubernetes has; they are keys and passwords, not data. */
const maxSecretBytes = 512 * 1024;
/** What the kernel calls a file system in memory (`TMPFS_MAGIC`). */
const memoryFileSystem = 0x01021994;

/** Values are files `HOME/secrets/NAME` (one line end at its end is not part of it), else of the daemon's environment. */
export function openSecrets({
  home,
  folder,
  fromEnvironment,
}: {
  readonly home: string;
  readonly folder: string;
  readonly fromEnvironment: (name: string) => string | undefined;
}): Secrets {
  const readValue = async (name: string): Promise<Buffer> => {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
      throw new DaemonError(
        'bad-input',
        `Cannot give the secret "${name}": a name has only letters, digits, ".", "_" and "-"`,
      );
    const file = path.join(home, 'secrets', name);
    const found = await stat(file).catch(() => undefined);
    if (found && found.size > maxSecretBytes)
      throw new DaemonError('bad-input', `Cannot give the secret "${name}": it has more than ${maxSecretBytes} bytes`);
    if (found) {
      const bytes = await readFile(file);
      return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
    }
    const value = fromEnvironment(name);
    if (value !== undefined) return Buffer.from(value);
    throw new DaemonError('not-found', `Cannot give the secret "${name}": this stack has none of that name`, {
      mend: `write it to ${file} (mode 0600)`,
    });
  };

  return {
    folder,
    async put(files, { signal }) {
      const values = await Promise.all(files.map(async (one) => ({ ...one, value: await readValue(one.secret) })));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const found = await stat(folder);
      if (found.uid !== process.getuid?.() || (await statfs(folder)).type !== memoryFileSystem)
        throw new DaemonError(
          'home-unusable',
          `Cannot keep secrets in "${folder}": it isn't a folder of ours in memory`,
          {
            mend: 'remove it, and see that /dev/shm is there',
          },
        );
      await chmod(folder, 0o700);
      for (const { file, mode, owner, value, secret } of values) {
        signal.throwIfAborted();
        await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
        // In place: a container that has the file mounted sees the new value.
        await using handle = await open(file, 'a', 0o600);
        await handle.truncate(0);
        await handle.writeFile(value);
        await handle.chmod(Number.parseInt(mode, 8));
        if (owner.uid !== found.uid || owner.gid !== process.getgid?.())
          await chown(file, owner.uid, owner.gid).catch((cause: unknown) => {
            throw new DaemonError(
              'bad-input',
              `Cannot give the secret "${secret}" to ${owner.uid}:${owner.gid}: only root may`,
              { cause, mend: 'run the daemon as root' },
            );
          });
      }
    },
    async isMissing(files) {
      const found = await Promise.all(files.map(({ file }) => stat(file).catch(() => undefined)));
      return found.includes(undefined);
    },
    async keepOnly(project, containers) {
      const parent = path.join(folder, project);
      for (const name of await readdir(parent).catch(() => []))
        if (!containers.includes(name)) await rm(path.join(parent, name), { recursive: true, force: true });
      if (containers.length === 0) await rm(parent, { recursive: true, force: true });
    },
  };
}
