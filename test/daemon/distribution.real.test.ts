// Images to and from registries by the commands of a person, and to and from a stack's own registry by skopeo and docker.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startDaemon } from '../support/daemon-process.ts';
import { ensureDockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { loadSmallImage, makeSmallImage } from '../support/small-image.ts';

const run = promisify(execFile);
const skip = (await ensureDockerRegistry()) ?? false;

async function openProject() {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-push-'));
  const file = path.join(folder, 'manifest.json');
  await mkdir(path.join(folder, 'docker'));
  await writeFile(path.join(folder, 'page.html'), 'hello\n');
  const container = { files: [{ source: 'page.html', destination: '/page.html' }], command: ['/none'] };
  const containers = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, container]));
  const write = (...names: string[]) =>
    writeFile(
      file,
      JSON.stringify({ manifest_version: '1.0', project: { name: 'shop' }, containers: containers(names) }),
    );
  await write('web');
  return {
    folder,
    file,
    write,
    login: (address: string, name: string, password: string) =>
      writeFile(
        path.join(folder, 'docker/config.json'),
        JSON.stringify({ auths: { [address]: { auth: Buffer.from(`${name}:${password}`).toString('base64') } } }),
      ),
    environment: { DOCKER_CONFIG: path.join(folder, 'docker'), XDG_RUNTIME_DIR: path.join(folder, 'none') },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

interface Built {
  readonly images: readonly { readonly container: string; readonly digest: string }[];
  readonly pushed: readonly { readonly reference: string; readonly movedBytes: number }[];
}

test('build --push puts images and what is said of them into a registry by the login of docker, and pull brings them to another stack', {
  skip,
}, async () => {
  await using project = await openProject();
  const { stdout: htpasswd } = await run('htpasswd', ['-nbB', 'anna', 'secret']);
  await using registry = await startDockerRegistry({
    auth: '{ htpasswd: { realm: test, path: "DIR/htpasswd" } }',
    files: { htpasswd },
  });
  const options = { flags: ['--engine', 'none'], environment: project.environment };
  await using berlin = await startDaemon('berlin', options);
  const place = `${registry.address}/team/shop:1.0`;
  const closed = await berlin.run('hermesh', ['build', project.file, '--push', place]);
  assert.equal(closed.code, 4);
  assert.match(closed.stderr, /docker login/);

  await project.login(registry.address, 'anna', 'secret');
  const built = await berlin.json<Built>('hermesh', 'build', project.file, '--push', place);
  const digest = built.images[0]?.digest ?? '';
  assert.deepEqual(
    built.pushed.map(({ reference }) => reference),
    [`${registry.address}/team/shop:1.0@${digest}`],
  );
  assert.ok((built.pushed[0]?.movedBytes ?? 0) > 0);
  const again = await berlin.json<Built>('hermesh', 'build', project.file, '--push', place);
  assert.equal(again.pushed[0]?.movedBytes, 0, 'what is there is not sent again');

  await using paris = await startDaemon('paris', options);
  const pulled = await paris.json<{ digest: string; receivedBytes: number }>('hermesh', 'pull', place);
  assert.equal(pulled.digest, digest);
  assert.ok(pulled.receivedBytes > 0);
  const once = await paris.json<{ receivedBytes: number }>(
    'hermesh',
    'pull',
    `${registry.address}/team/shop@${digest}`,
  );
  assert.equal(once.receivedBytes, 0);

  await project.write('web', 'worker');
  const two = await berlin.json<Built>('hermesh', 'build', project.file, '--push', `${registry.address}/team/all:2`);
  assert.deepEqual(two.pushed.map(({ reference }) => reference.split('@')[0]).sort(), [
    `${registry.address}/team/all/web:2`,
    `${registry.address}/team/all/worker:2`,
  ]);

  for (const [words, code, message] of [
    [['pull', `${registry.address}/team/none:1`], 3, /Cannot read 1 of/],
    [['pull', 'not a reference'], 2, /Cannot/],
    [['pull', '127.0.0.1:1/team/shop:1'], 1, /Cannot reach the registry "127.0.0.1:1"/],
    [['build', project.file, '--push', `${place}@${digest}`], 2, /a digest is not chosen/],
  ] as const) {
    const refused = await paris.run('hermesh', words);
    assert.match(refused.stderr, message, words.join(' '));
    assert.equal(refused.code, code, `${words.join(' ')}: ${refused.stderr}`);
  }
  const help = await paris.run('hermesh', ['build', '--help']);
  assert.match(help.stdout, /--push/);
});

test("skopeo and docker push to a stack's own registry and pull from it, and what they pushed stays when the store is pruned", {
  skip: skip || !engineWanted(),
}, async () => {
  await using project = await openProject();
  await using berlin = await startDaemon('berlin', { flags: ['--engine', 'none'], environment: project.environment });
  const token = (await readFile(path.join(berlin.home, 'token'), 'utf8')).trim();
  const address = new URL(berlin.announced.http).host;
  await project.login(address, 'owner', token);
  const environment = { ...process.env, ...project.environment };
  const authFile = path.join(project.folder, 'docker/config.json');

  await using engine = await startPrivateEngine({ name: 'pusher' });
  const image = await makeSmallImage({ name: 'small', command: ['true'] });
  await loadSmallImage(engine.socket, image);
  const docker = (...words: string[]) =>
    run('docker', ['-H', `unix://${engine.socket}`, ...words], { env: environment });
  const pushed = `${address}/team/small:1`;
  await docker('tag', image.tag, pushed);
  const { stdout: said } = await docker('push', pushed);
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? '';
  assert.notEqual(digest, '', said);

  const copy = (from: string, to: string) =>
    run('skopeo', [
      ...['copy', '--preserve-digests', '--authfile', authFile, '--src-tls-verify=false', '--dest-tls-verify=false'],
      ...[from, to],
    ]);
  const layout = `oci:${path.join(project.folder, 'layout')}:x`;
  await copy(`docker://${pushed}`, `dir:${path.join(project.folder, 'dir')}`);
  await copy(`dir:${path.join(project.folder, 'dir')}`, `docker://${address}/team/copied:2`);
  const inspect = async (place: string) =>
    JSON.parse(
      (await run('skopeo', ['inspect', '--authfile', authFile, '--tls-verify=false', `docker://${place}`])).stdout,
    ) as { Digest: string; RepoTags: string[] };
  const found = await inspect(`${address}/team/copied:2`);
  assert.deepEqual([found.Digest, found.RepoTags], [digest, ['2']]);

  // What this stack built is copied away by its digest, and comes back the same.
  const built = await berlin.json<Built>('hermesh', 'build', project.file);
  const own = built.images[0]?.digest ?? '';
  await copy(`docker://${address}/shop/web@${own}`, layout);
  await copy(layout, `docker://${address}/team/back:1`);
  assert.equal((await inspect(`${address}/team/back:1`)).Digest, own);

  await berlin.json('hermesh', 'prune', '--limit-gib', '0');
  await docker('rmi', pushed, image.tag);
  await docker('pull', `${address}/team/copied@${digest}`);
});
