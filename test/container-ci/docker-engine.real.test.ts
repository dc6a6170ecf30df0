// A real private engine keeps the contract, pulls by digest, resolves aliases, and names what was tried when it is away.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findEngine, openDockerEngine } from '#container-ci/docker';
import { eventually } from '../support/deadline.ts';
import { engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { loadSmallImage, makeSmallImage, serveSmallImages } from '../support/small-image.ts';
import { engineContract } from './engine.contract.ts';

const serving = ['/bin/sh', '-c', 'echo ready; exec httpd -f -p 8080 -h /www'];

describe('with a private engine', { skip: !engineWanted() }, () => {
  engineContract('a private dockerd', async () => {
    await using opened = new AsyncDisposableStack();
    const dockerd = opened.use(await startPrivateEngine({ name: 'contract' }));
    const engine = opened.use(await openDockerEngine({ endpoint: dockerd.socket }));
    const image = await makeSmallImage({ name: 'app', command: serving });
    const failing = await makeSmallImage({ name: 'failing', command: ['/bin/sh', '-c', 'exit 3'] });
    for (const one of [image, failing]) await loadSmallImage(dockerd.socket, one);
    const owned = opened.move();
    return { engine, image: image.tag, failing: failing.tag, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  });

  test('two engines run at once, pull by digest with a login, and resolve aliases within a network', async () => {
    const signal = AbortSignal.timeout(120_000);
    await using first = await startPrivateEngine({ name: 'first' });
    await using second = await startPrivateEngine({ name: 'second' });
    assert.notEqual(first.addressPool, second.addressPool);
    const web = await makeSmallImage({ name: 'web', command: serving });
    const ask = await makeSmallImage({
      name: 'ask',
      command: ['/bin/sh', '-c', 'until wget -q -O - http://web:8080/; do sleep 0.1; done'],
    });
    await using registry = await serveSmallImages([web, ask]);
    for (const dockerd of [first, second]) {
      await using engine = await openDockerEngine({ endpoint: dockerd.socket });
      await engine.createNetwork('aliases', {}, { signal });
      for (const [name, { digest }] of Object.entries({ web, ask })) {
        const image = `${registry.address}/shop/${name}@${digest}`;
        await assert.rejects(engine.pull(image, { username: 'x', password: 'wrong' }, { signal }), /Cannot pull/);
        await engine.pull(image, registry.login, { signal });
        const served = registry.blobsServed();
        await engine.pull(image, registry.login, { signal });
        assert.equal(registry.blobsServed(), served, 'what is there is not pulled again');
        const network = { name: 'aliases', aliases: [name] };
        await engine.createContainer(
          { name: `shop-${name}`, image, labels: {}, network, publish: [], restart: 'no' },
          { signal },
        );
        await engine.startContainer(`shop-${name}`, { signal });
      }
      const lines = await eventually('the answer is in the log', async () => {
        const read = await engine.logs('shop-ask', { tail: 100, signal });
        return read.some(({ text }) => text === 'ready') && read;
      });
      assert.ok(lines.length > 0);
      await assert.rejects(
        engine.pull(`${registry.address}/shop/web@sha256:${'0'.repeat(64)}`, registry.login, { signal }),
        /Cannot pull/,
      );
    }
  });

  test('an engine that answers is found by trying sockets in order', async () => {
    const signal = AbortSignal.timeout(60_000);
    await using dockerd = await startPrivateEngine({ name: 'found' });
    const sockets = [
      { kind: 'docker', path: '/nonexistent/docker.sock' },
      { kind: 'docker', path: dockerd.socket },
    ] as const;
    await using engine = await findEngine('auto', { sockets, signal });
    assert.equal((await engine?.info({ signal }))?.kind, 'docker');
    assert.equal(await findEngine('none', { sockets, signal }), undefined);
  });
});

test('where no socket is there, "auto" goes without an engine and "docker" says what was tried', async () => {
  const signal = AbortSignal.timeout(10_000);
  const sockets = [{ kind: 'docker', path: '/nonexistent/docker.sock' }] as const;
  assert.equal(await findEngine('auto', { sockets, signal }), undefined);
  await assert.rejects(findEngine('docker', { sockets, signal }), {
    code: 'engine-unreachable',
    mayRetry: true,
    message: /tried "\/nonexistent\/docker.sock" \(ENOENT\)/,
  });
});
