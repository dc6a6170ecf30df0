// A small file that appears whole or not at all.
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';

/** Write, fsync, rename: a reader sees the old content or the new, never a part. */
export function writeWhole(file: string, content: string, mode: number): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = openSync(temporary, 'w', mode);
  try {
    writeSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
}
