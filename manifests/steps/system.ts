// What the scripts of a toolchain's packages would have made, since none is run: folders, accounts, links of alternatives, modules switched on.
import { readTar } from '#manifests/debian';
import type { BlobInfo, BlobStore } from '../blobs.ts';
import type { Digest } from '../digest.ts';
import { Filesystem, type Node } from '../filesystem.ts';
import { readLayerNote, writeLayerNote } from '../notes.ts';
import { type TarEntry, writeTar } from '../tar.ts';

/** Raised when what is made here changes, so that layers made before are made anew. */
const rules = 1;
const maxBytes = 16 * 1024 ** 2;
const owner = { uid: 0, gid: 0 };
/** Where things are mounted or written. */
const folders = ['cache', 'dev', 'etc', 'out', 'proc', 'root', 'run', 'src', 'steps', 'sys', 'var/tmp'];
const sharedFolders = ['tmp'];
const accounts = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
};
/** By path: what stands there after Debian's update-alternatives, the first that is there. */
const alternatives: Readonly<Record<string, readonly string[]>> = {
  'usr/bin/cc': ['usr/bin/gcc', 'usr/bin/clang'],
  'usr/bin/c++': ['usr/bin/g++', 'usr/bin/clang++'],
  'usr/bin/c89': ['usr/bin/c89-gcc'],
  'usr/bin/c99': ['usr/bin/c99-gcc'],
  'usr/bin/awk': ['usr/bin/gawk', 'usr/bin/mawk', 'usr/bin/original-awk'],
  'usr/bin/nawk': ['usr/bin/gawk', 'usr/bin/mawk'],
  'usr/bin/which': ['usr/bin/which.debianutils'],
  'usr/bin/php': ['usr/bin/php8.2'],
  'usr/bin/phar': ['usr/bin/phar8.2'],
  'usr/bin/mvn': ['usr/share/maven/bin/mvn'],
  'usr/bin/lzma': ['usr/bin/xz'],
  'usr/bin/yacc': ['usr/bin/bison.yacc'],
  'usr/bin/automake': ['usr/bin/automake-1.16'],
  'usr/bin/aclocal': ['usr/bin/aclocal-1.16'],
  'usr/bin/fakeroot': ['usr/bin/fakeroot-sysv'],
};
/** Links of which only one is needed, whatever the processor's folder is called. */
const libraries: Readonly<Record<string, string>> = {
  'libblas.so.3': 'blas/libblas.so.3',
  'liblapack.so.3': 'lapack/liblapack.so.3',
};

/** The layer above `root` of what its packages' scripts would have made; the same root gives the same layer. */
export async function systemLayer(
  root: readonly Digest[],
  work: {
    readonly blobs: BlobStore;
    readonly signal: AbortSignal;
    readonly useCache: boolean;
    readonly epochSeconds: number;
  },
): Promise<BlobInfo> {
  const { blobs, signal, epochSeconds } = work;
  const inputs = { rules, root, epochSeconds };
  const known = work.useCache ? await readLayerNote(blobs, 'system', inputs) : undefined;
  if (known) return known.layer;
  const filesystem = new Filesystem();
  for (const digest of root)
    filesystem.lay(await Array.fromAsync(readTar(blobs.read(digest)), ({ content: _, ...entry }) => entry));
  const tar = writeTar(systemOf(filesystem.nodes()), { epochSeconds });
  const layer = await blobs.write(tar, { maxBytes, signal });
  await writeLayerNote(blobs, 'system', inputs, { layer, nodes: {} });
  return layer;
}

/** What is to be added to a file system that packages left. Pure. */
export function systemOf(nodes: Readonly<Record<string, Node>>): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const isThere = (path: string): boolean => Object.hasOwn(nodes, path) || entries.has(path);
  const isFolder = (path: string): boolean => path === '' || nodes[path]?.type === 'directory';
  const link = (path: string, target: string): void => {
    if (!isThere(path)) entries.set(path, { path, type: 'symlink', target: `/${target}`, mode: 0o777, ...owner });
  };
  for (const path of folders) if (!isThere(path)) entries.set(path, { path, type: 'directory', mode: 0o755, ...owner });
  for (const path of sharedFolders) entries.set(path, { path, type: 'directory', mode: 0o1777, ...owner });
  for (const [path, text] of Object.entries(accounts)) if (!isThere(path)) entries.set(path, fileOf(path, text));
  for (const [path, candidates] of Object.entries(alternatives)) {
    const target = candidates.find(isThere);
    if (target !== undefined) link(path, target);
  }
  const paths = Object.keys(nodes);
  for (const path of paths) {
    const java = /^usr\/lib\/jvm\/[^/]+\/bin\/([^/]+)$/.exec(path)?.[1];
    if (java !== undefined && nodes[path]?.type === 'file') link(`usr/bin/${java}`, path);
    const module = /^usr\/share\/php8\.2-[^/]+\/[^/]+\/([^/]+)\.ini$/.exec(path)?.[1];
    if (module !== undefined) link(`etc/php/8.2/cli/conf.d/${modulePriority(module)}-${module}.ini`, path);
    const [, folder, library] = /^(usr\/lib\/[^/]+)\/(?:blas|lapack)\/([^/]+)$/.exec(path) ?? [];
    if (folder !== undefined && library !== undefined && libraries[library])
      link(`${folder}/${library}`, `${folder}/${libraries[library]}`);
  }
  if (isFolder('etc/php/8.2/cli') && isThere('usr/lib/php/8.2/php.ini-production.cli'))
    link('etc/php/8.2/cli/php.ini', 'usr/lib/php/8.2/php.ini-production.cli');
  oneOfEach(paths, isFolder, link);
  return [...entries.values()];
}

/** Debian's machines have /bin, /sbin and /usr/… as one; its packages still don't: a program is found at either. */
function oneOfEach(
  paths: readonly string[],
  isFolder: (path: string) => boolean,
  link: (path: string, target: string) => void,
): void {
  for (const path of paths) {
    const [, folder, name] = /^((?:usr\/)?s?bin)\/([^/]+)$/.exec(path) ?? [];
    if (folder === undefined || name === undefined) continue;
    const other = folder.startsWith('usr/') ? folder.slice('usr/'.length) : `usr/${folder}`;
    if (isFolder(other)) link(`${other}/${name}`, path);
  }
}

/** The order in which PHP's modules must be loaded, as Debian's phpenmod has it: those that others are made of first. */
function modulePriority(module: string): string {
  if (['opcache', 'pdo', 'mysqlnd'].includes(module)) return '10';
  return module === 'xml' ? '15' : '20';
}

function fileOf(path: string, text: string): TarEntry {
  const bytes = Buffer.from(text);
  const content = async function* () {
    yield bytes;
  };
  return { path, type: 'file', mode: 0o644, size: bytes.length, content, ...owner };
}
