// The disk's word before it is full: nothing is begun that it can't hold, and a reserve stays for the database and the logs.
import { statfs } from 'node:fs/promises';
import { ManifestError } from './error.ts';

/** Left free on the disk: the database, its log and the daemon's logs go on. */
export const reserveBytes = 64 * 1024 * 1024;

/** `doing` is what can't be done then, such as "take the upload". Throws `no-space` where `bytes` and the reserve don't fit. */
export async function checkSpace(folder: string, bytes: number, doing: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes + reserveBytes <= free) return;
  throw new ManifestError(
    'no-space',
    `Cannot ${doing}: ${bytes} bytes are to come, and ${reserveBytes} stay free, of ${free} on the disk; free some space ("hermesh prune") and retry`,
    { mayRetry: true },
  );
}
