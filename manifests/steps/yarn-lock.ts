// What yarn.lock of Yarn 1 names, and its offline mirror.
import type { LockedArtifact } from './artifact.ts';
import { asTheyAre, type LockReader } from './lock-reader.ts';
import { strongest } from './npm-lock.ts';

const again = 'run "yarn install" after removing its entry';

export const yarnLocks: LockReader = {
  // Its only way to be told of the mirror that has no file in the project.
  prepare: ['printf \'yarn-offline-mirror "/cache/yarn"\\n\' > "$HOME/.yarnrc"'],

  read(lock) {
    if (lock.text.includes('__metadata:'))
      return lock.refuse(
        '__metadata',
        'it is of Yarn 2 or later, whose archives no registry has',
        'vendor ".yarn/cache" into the source',
      );
    const artifacts: LockedArtifact[] = [];
    const blocks = lock.text.split(/\n(?=\S)/).filter((block) => !block.startsWith('#') && block.includes('\n'));
    for (const block of blocks) {
      const header = block.slice(0, block.indexOf('\n')).replace(/:$/, '');
      const first = /^"?((?:@[^@"/]+\/)?[^@"]+)@([^",]*)/.exec(header);
      const value = (key: string): string | undefined =>
        new RegExp(`^ {2}${key} "?([^"\\n]+)"?$`, 'm').exec(block)?.[1];
      const [version, resolved, integrity] = [value('version'), value('resolved'), value('integrity')];
      if (!first?.[1] || version === undefined) return lock.refuse(header, 'it has no version', again);
      if (/^(?:file|link|portal):/.test(first[2] ?? '')) continue;
      if (resolved === undefined || !/^https?:/.test(resolved))
        return lock.refuse(header, 'it comes from no registry', 'take it from one, or put it into the source');
      const hash = integrity === undefined ? undefined : strongest(integrity);
      if (hash === undefined) return lock.refuse(header, 'it has no integrity that can be trusted', again);
      const url = resolved.replace(/#.*$/, '');
      const base = url.slice(url.lastIndexOf('/') + 1);
      // An alias has the name of what it stands for in its address.
      const name = /\/((?:@[^/]+\/)?[^/]+)\/-\/[^/]+$/.exec(decodeURIComponent(url))?.[1] ?? first[1];
      const place = name.startsWith('@') ? `${name.split('/')[0]}-${base}` : base;
      artifacts.push({ ecosystem: 'npm', name, version, file: base, url, hashes: [hash], place });
    }
    return artifacts;
  },
  arrange: asTheyAre,
};
