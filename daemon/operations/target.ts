// What an operation on a built thing is pointed at: a digest, or the manifest that a file holds.
import { type Digest, isDigest } from '#manifests';

/** The digest itself, or that of the manifest in the file; throws what reading a manifest throws. Loaded when it is needed. */
export async function digestOfTarget(target: string): Promise<Digest> {
  if (isDigest(target)) return target;
  const { loadManifest } = await import('#daemon/deploy');
  return (await loadManifest(target)).digest;
}
