// Over a real private engine: a CI appears by itself, names its service, is stopped with a finding, and goes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerIntent, openObserver } from '#container-ci';
import { openDockerEngine } from '#container-ci/docker';
import { eventually } from '../support/deadline.ts';
import { engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { loadSmallImage, makeSmallImage } from '../support/small-image.ts';
import { makeManifest } from './facts-of.ts';

const network = { name: 'seen', aliases: [] };

test('a real container has a CI from its start to its removal, also through a crash of the engine', {
  skip: !engineWanted(),
}, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using dockerd = await startPrivateEngine({ name: 'observed' });
  await using engine = await openDockerEngine({ endpoint: dockerd.socket });
  const web = await makeSmallImage({ name: 'web', command: ['/bin/sh', '-c', 'echo ready; httpd -f -p 8080 -h /www'] });
  const broken = await makeSmallImage({
    name: 'broken',
    command: ['/bin/sh', '-c', 'echo "cat: /etc/app.conf: No such file or directory" >&2; exit 1'],
  });
  const greedy = await makeSmallImage({ name: 'greedy', command: ['/bin/tail', '/dev/zero'] });
  for (const image of [web, broken, greedy]) await loadSmallImage(dockerd.socket, image);
  const { api } = makeManifest({
    api: { ports: [8080], health: { http: { port: 8080, path: '/index.html' }, interval_seconds: 1, retries: 2 } },
  }).containers;
  const intent: ContainerIntent | undefined = api && { container: api, dependencies: [] };
  await using observer = await openObserver({
    engine,
    intentOf: (labels) => (labels['io.hermesh.container'] === 'web' ? intent : undefined),
    peerHealth: () => undefined,
    now: Date.now,
    random: Math.random,
    log: { info: () => {}, warn: () => {} },
    refreshMs: 500,
  });
  const viewOf = (ci: string) => observer.cis().find((view) => view.ci === ci);
  await engine.createNetwork('seen', {}, { signal });

  const labels = { 'io.hermesh.stack': 's', 'io.hermesh.project': 'p', 'io.hermesh.container': 'web' };
  const id = await engine.createContainer(
    { name: 'p-web', image: web.tag, labels, network, publish: [], restart: 'no' },
    { signal },
  );
  await engine.startContainer(id, { signal });
  const view = await eventually('it is healthy and named', () => {
    const one = viewOf('web-ci');
    return one?.health === 'healthy' && one.services.length > 0 && one;
  });
  assert.equal(view.services[0]?.name, 'busybox-httpd');
  assert.deepEqual(view.services[0]?.ports, [8080]);
  const status = await observer.ask('web-ci', 'status', { signal });
  assert.match(
    status.text,
    /^Container "p-web" has been running for \d+ s \[e1\]\. It has been healthy .*GET :8080\/index\.html: 200/,
  );
  assert.match((await observer.ask('web-ci', 'show the log', { signal })).text, /^\| \S+ stdout ready$/m);
  assert.match(
    (await observer.ask('web-ci', 'how much memory?', { signal })).text,
    /It uses \d+\.\d MiB of memory without a limit/,
  );

  await engine.createContainer(
    { name: 'broken', image: broken.tag, labels: {}, network, publish: [], restart: 'on-failure' },
    { signal },
  );
  await engine.startContainer('broken', { signal });
  const loop = await eventually(
    'its crash loop is found',
    async () => {
      const asked = await observer.ask('broken-ci', 'why does it restart?', { signal });
      return asked.findings.some(({ code }) => code === 'crash-loop') && asked;
    },
    { timeoutMs: 30_000 },
  );
  assert.equal(loop.findings[0]?.code, 'log-missing-file');
  await engine.removeContainer('broken', { signal });
  await eventually('the broken one is gone', () => viewOf('broken-ci') === undefined);

  await engine.createContainer(
    { name: 'greedy', image: greedy.tag, labels: {}, network, publish: [], restart: 'no', memoryBytes: 16 << 20 },
    { signal },
  );
  await engine.startContainer('greedy', { signal });
  await eventually('it has ended', () => viewOf('greedy-ci')?.status === 'exited', { timeoutMs: 30_000 });
  const killed = await observer.ask('greedy-ci', 'what is wrong?', { signal });
  assert.equal(killed.findings[0]?.code, 'out-of-memory');
  await engine.removeContainer('greedy', { signal });

  await dockerd.crash();
  await eventually(
    'the loss is over',
    () => observer.engineState().reachable && viewOf('web-ci')?.health === 'stopped',
    { timeoutMs: 30_000 },
  );
  await engine.startContainer(id, { signal });
  await eventually('it is healthy again', () => viewOf('web-ci')?.health === 'healthy');
  await engine.stopContainer(id, { graceSeconds: 0, signal });
  await eventually('it is stopped', () => viewOf('web-ci')?.health === 'stopped');
  const wrong = await observer.ask('web-ci', 'what is wrong?', { signal });
  assert.equal(wrong.findings[0]?.code, 'asked-to-stop');
  assert.match(wrong.findings[0].summary, /somebody had the engine end it/);
  await engine.removeContainer(id, { signal });
  await eventually('it is gone', () => observer.cis().length === 0);
});
