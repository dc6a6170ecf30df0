// A disk of a test's own that is soon full: a tmpfs, which needs root and no loop device.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface SmallDisk extends Disposable {
  readonly directory: string;
  /** Takes all the space that is left. */
  fill(): void;
  /** Gives it back. */
  free(): void;
}

/** Why no disk of a test's own can be had here, or undefined where it can. */
export function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a tmpfs of its own needs root on Linux';
  try {
    openSmallDisk(64 * 1024)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    return `no tmpfs can be mounted: ${(error as Error).message.split('\n')[0]}`;
  }
}

export function openSmallDisk(sizeBytes: number): SmallDisk {
  const directory = mkdtempSync(path.join(tmpdir(), 'hermesh-disk-'));
  const filler = path.join(directory, 'filler');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'hermesh-test', directory], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
  return {
    directory,
    fill() {
      const file = openSync(filler, 'a');
      try {
        for (const piece of [1024 * 1024, 4096, 1]) writeUntilFull(file, Buffer.alloc(piece));
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      execFileSync('umount', ['--lazy', directory], { stdio: 'pipe' });
      rmdirSync(directory);
    },
  };
}

function writeUntilFull(file: number, piece: Uint8Array): void {
  try {
    while (writeSync(file, piece) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
