// The commit that a folder is at, where it is in a Git repository: said by git itself, nothing of the repository is run.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** A folder with more changes than this answers too late to be of use. */
const gitTimeoutMs = 5_000;
const maxStatusBytes = 1 << 20;

export interface Revision {
  readonly commit: string;
  /** Whether the folder has changes that the commit doesn't have. */
  readonly isDirty: boolean;
}

/** Undefined where it is in no repository, or no git can read it. */
export async function readRevision(
  directory: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<Revision | undefined> {
  const git = async (...words: string[]): Promise<string> => {
    const options = ['-C', directory, '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];
    const limits = { timeout: gitTimeoutMs, maxBuffer: maxStatusBytes, signal };
    return (await run('git', [...options, ...words], limits)).stdout.trim();
  };
  try {
    const commit = await git('rev-parse', '--verify', 'HEAD');
    if (!/^[0-9a-f]{40,64}$/.test(commit)) return undefined;
    return { commit, isDirty: (await git('status', '--porcelain', '--', '.')) !== '' };
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
