// How layers lie on one another: what stands at a path, which parents a new layer must repeat, and when two things collide.
import { ManifestError } from './error.ts';
import type { TarEntry, TarOwner } from './tar.ts';

/** What a layer leaves at a path, as far as the layers above must know it. */
export type Node = TarOwner & { readonly type: TarEntry['type']; readonly target?: string };

/** An entry to be put somewhere; an implicit folder gives way to one that is there. */
export type Wanted = TarEntry & { readonly implicit?: boolean; readonly from: string };

/** As Linux: a path through more links leads nowhere. */
const maxLinks = 40;

/** The merged file system of the layers so far. A path has no slash at its ends. */
export class Filesystem {
  readonly #nodes = new Map<string, Node>();
  #layer = new Map<string, Wanted>();

  /** What stands at each path, by path. */
  nodes(): Record<string, Node> {
    return Object.fromEntries(this.#nodes);
  }

  /** Takes a whole layer whose entries are known already. */
  adopt(nodes: Readonly<Record<string, Node>>): void {
    for (const [path, node] of Object.entries(nodes)) this.#nodes.set(path, node);
  }

  /**
   * Takes a whole layer that others made: its white-outs (OCI image specification 1.1, "Whiteouts") and what takes the place of
   * something else remove what was below.
   */
  lay(entries: Iterable<TarOwner & { readonly path: string; readonly type: string; readonly target: string }>): void {
    for (const { path, type, mode, uid, gid, target } of entries) {
      if (path === '') continue;
      const folder = path.slice(0, path.lastIndexOf('/') + 1);
      const name = path.slice(folder.length);
      if (name === '.wh..wh..opq') this.#removeBelow(folder);
      else if (name.startsWith('.wh.')) this.#remove(folder + name.slice('.wh.'.length));
      else {
        if (type !== 'directory') this.#remove(path);
        const kind = type === 'directory' || type === 'symlink' ? type : 'file';
        this.#nodes.set(
          path,
          kind === 'symlink' ? { type: kind, mode, uid, gid, target } : { type: kind, mode, uid, gid },
        );
      }
    }
  }

  #remove(path: string): void {
    if (this.#nodes.get(path)?.type === 'directory') this.#removeBelow(`${path}/`);
    this.#nodes.delete(path);
  }

  #removeBelow(folder: string): void {
    for (const path of this.#nodes.keys()) if (path.startsWith(folder)) this.#nodes.delete(path);
  }

  /**
   * The entries of the next layer: links first, so that what another part puts below a link lands where it points.
   * Parents are repeated as they are below, since an engine takes them from the topmost layer.
   * Throws `path-conflict` where two parts want one path, or a folder stands where a file should be.
   */
  addLayer(wanted: readonly Wanted[]): readonly Wanted[] {
    this.#layer = new Map();
    const rank = { symlink: 0, directory: 1, file: 2 } as const;
    const ordered = [...wanted].sort(
      (left, right) =>
        rank[left.type] - rank[right.type] || (left.path < right.path ? -1 : left.path > right.path ? 1 : 0),
    );
    for (const entry of ordered) this.#put(entry);
    return [...this.#layer.values()];
  }

  #put(entry: Wanted): void {
    const path = this.#resolve(entry.path, entry.type === 'directory', entry.from);
    const there = this.#nodes.get(path);
    const sameLayer = this.#layer.get(path);
    if (there && (there.type === 'directory') !== (entry.type === 'directory')) {
      const [is, wants] = there.type === 'directory' ? ['a folder', entry.type] : [`a ${there.type}`, 'a folder'];
      throw conflict(path, `${is} stands there, and ${entry.from} wants a ${wants}`.replace('a a ', 'a '));
    }
    if (entry.type === 'directory' && there && (entry.implicit || sameLayer?.implicit === false)) {
      this.#repeat(path, entry.from);
      return;
    }
    if (sameLayer && entry.type !== 'directory') {
      if (sameLayer.type === 'symlink' && entry.type === 'symlink' && sameLayer.target === entry.target) return;
      throw conflict(path, `both ${sameLayer.from} and ${entry.from} want it`);
    }
    this.#set({ ...entry, path, implicit: entry.implicit ?? false });
  }

  /** The path without links in its parents (and, for a folder, at its end); missing parents are made. */
  #resolve(path: string, whole: boolean, from: string): string {
    let done = '';
    let rest = path.split('/');
    for (let links = 0; rest.length > 0; ) {
      const [part = '', ...after] = rest;
      const here = done === '' ? part : `${done}/${part}`;
      const node = this.#nodes.get(here);
      if (part === '..' || part === '.' || part === '') {
        if (part === '..') done = done.includes('/') ? done.slice(0, done.lastIndexOf('/')) : '';
        rest = after;
      } else if (node?.type === 'symlink' && (after.length > 0 || whole)) {
        links += 1;
        if (links > maxLinks) throw conflict(path, 'its links run in a circle');
        const target = node.target ?? '';
        if (target.startsWith('/')) done = '';
        rest = [...target.split('/'), ...after];
      } else if (after.length > 0) {
        if (node && node.type !== 'directory') throw conflict(here, `it is a file, and ${from} wants a folder there`);
        this.#repeat(here, from);
        done = here;
        rest = after;
      } else return here;
    }
    return done;
  }

  #repeat(path: string, from: string): void {
    if (path === '' || this.#layer.has(path)) return;
    const { mode, uid, gid } = this.#nodes.get(path) ?? { mode: 0o755, uid: 0, gid: 0 };
    this.#set({ path, type: 'directory', mode, uid, gid, implicit: true, from });
  }

  #set(entry: Wanted): void {
    this.#layer.set(entry.path, entry);
    const { type, mode, uid, gid } = entry;
    this.#nodes.set(
      entry.path,
      entry.type === 'symlink' ? { type, mode, uid, gid, target: entry.target } : { type, mode, uid, gid },
    );
  }
}

function conflict(path: string, state: string): ManifestError {
  return new ManifestError('path-conflict', `Cannot put "/${path}" into the image: ${state}`);
}
