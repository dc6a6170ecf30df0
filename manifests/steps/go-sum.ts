// What go.sum names, and the folder of modules that go reads as its proxy (GOPROXY=file://, "GOPROXY protocol" of Go's reference).
import type { TarEntry } from '../tar.ts';
import type { LockedArtifact } from './artifact.ts';
import { asTheyAre, folderOf, type LockReader, textEntry } from './lock-reader.ts';

const again = 'run "go mod tidy"';
const line = /^(\S{1,500}) (v[0-9A-Za-z.+-]{1,200}?)(\/go\.mod)? h1:([A-Za-z0-9+/]{43}=)$/;

export const goSums: LockReader = {
  read(lock) {
    const artifacts: LockedArtifact[] = [];
    for (const [index, text] of lock.text.split('\n').entries()) {
      if (text.trim() === '') continue;
      const [, name, version, mod, base64] = line.exec(text) ?? [];
      if (name === undefined || version === undefined || base64 === undefined || name.split('/').includes('..'))
        return lock.refuse(`line ${index + 1}`, 'it is no "MODULE VERSION h1:HASH"', again);
      const hex = Buffer.from(base64, 'base64').toString('hex');
      const place = `${escaped(name)}/@v/${escaped(version)}${mod ? '.mod' : '.zip'}`;
      const hashes = [{ algorithm: mod ? 'h1-mod' : 'h1', hex }] as const;
      artifacts.push({ ecosystem: 'go', name, version, file: place, url: undefined, hashes, place });
    }
    const held = new Set(artifacts.map(({ name }) => name));
    const project = lock.read(`${folderOf(lock.path)}go.mod`);
    for (const name of project === undefined ? [] : requiredBy(project))
      if (!held.has(name))
        lock.refuse(`module "${name}"`, `go.mod requires "${name}", and the lock does not hold it`, again);
    return artifacts;
  },

  async arrange(artifacts) {
    const entries: TarEntry[] = await asTheyAre(artifacts);
    const known = new Map(artifacts.map((one) => [one.place.replace(/\.(?:mod|zip)$/, '.info'), one.version]));
    for (const [place, version] of known) entries.push(textEntry(place, JSON.stringify({ Version: version })));
    return entries;
  },
};

/** Capitals as "!" and the small letter, since some disks tell no case apart (golang.org/x/mod/module, EscapePath). */
function escaped(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
}

/** Modules that go.mod requires and doesn't replace with something else. */
function requiredBy(text: string): string[] {
  const replaced = new Set([...text.matchAll(/^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>/gm)].map(([, name]) => name));
  const blocks = [...text.matchAll(/^require\s*\(([\s\S]*?)^\)/gm)].map(([, block = '']) => block);
  const single = [...text.matchAll(/^require\s+([^\s(]\S*)\s+v\S+/gm)].map(([, name = '']) => name);
  const listed = blocks.flatMap((block) =>
    [...block.matchAll(/^\s*([^\s/]\S*)\s+v\S+/gm)].map(([, name = '']) => name),
  );
  return [...single, ...listed].filter((name) => !replaced.has(name));
}
