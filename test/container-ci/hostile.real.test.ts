// Over a real private engine: containers as people and accidents make them, and an engine that is killed in the middle.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { openObserver } from '#container-ci';
import { openDockerEngine } from '#container-ci/docker';
import { eventually } from '../support/deadline.ts';
import { callEngine, engineWanted, startPrivateEngine } from '../support/private-engine.ts';
import { loadSmallImage, makeSmallImage } from '../support/small-image.ts';

test('containers of the host network, without a network, paused, deaf to SIGTERM and full of garbage are seen as they are', {
  skip: !engineWanted(),
}, async () => {
  const signal = AbortSignal.timeout(120_000);
  await using dockerd = await startPrivateEngine({ name: 'hostile' });
  await using engine = await openDockerEngine({ endpoint: dockerd.socket });
  const shell = await makeSmallImage({ name: 'shell', command: ['/bin/sh'] });
  await loadSmallImage(dockerd.socket, shell);
  const start = async (name: string, script: string, host: object): Promise<void> => {
    const body = { Image: shell.tag, Cmd: ['/bin/sh', '-c', script], HostConfig: host };
    await callEngine(
      dockerd.socket,
      'POST',
      `/containers/create?name=${name}`,
      Buffer.from(JSON.stringify(body)),
      'application/json',
    );
    await engine.startContainer(name, { signal });
  };
  await using observer = await openObserver({
    engine,
    intentOf: () => undefined,
    peerHealth: () => undefined,
    now: Date.now,
    random: Math.random,
    log: { info: () => {}, warn: () => {} },
    refreshMs: 500,
  });
  const ask = (ci: string, question: string) => observer.ask(ci, question, { signal });

  // A listener of this process stands for all the others of the host.
  const other = createServer().listen(0, '127.0.0.1');
  try {
    await start('inhost', 'httpd -f -p 127.0.0.1:18473 -h /www', { NetworkMode: 'host' });
    await eventually('it listens', async () => (await engine.sockets('inhost', { signal })).length > 0);
    assert.deepEqual(
      (await engine.sockets('inhost', { signal })).map(({ port }) => port),
      [18473],
    );
  } finally {
    other.close();
  }

  await start('alone', 'trap "" TERM; while :; do sleep 1; done', { NetworkMode: 'none' });
  await eventually('it has a CI', () =>
    observer.cis().some(({ ci, health }) => ci === 'alone-ci' && health === 'healthy'),
  );
  assert.match((await ask('alone-ci', 'which ports listen?')).text, /listens on no TCP port/);
  await callEngine(dockerd.socket, 'POST', '/containers/alone/pause');
  await eventually('it is paused', () => observer.cis().some(({ status }) => status === 'paused'));
  assert.equal((await ask('alone-ci', 'what is wrong?')).findings[0]?.code, 'paused');
  await callEngine(dockerd.socket, 'POST', '/containers/alone/unpause');
  await callEngine(dockerd.socket, 'POST', '/containers/alone/rename?name=renamed');
  await engine.stopContainer('renamed', { graceSeconds: 1, signal });
  await eventually('it is stopped', () =>
    observer.cis().some(({ ci, status }) => ci === 'alone-ci' && status === 'exited'),
  );
  const stopped = await ask('alone-ci', 'what is wrong?');
  assert.equal(stopped.findings[0]?.code, 'asked-to-stop');
  assert.match(stopped.text, /docker start renamed/);

  await start(
    'garbage',
    'printf "\\033]0;x\\007 \\377\\376 "; cat /bin/busybox /bin/busybox /bin/busybox | tail -c 5000000; sleep 60',
    {},
  );
  const began = performance.now();
  await eventually(
    'its log has something',
    async () => (await engine.logs('garbage', { tail: 200, signal })).length > 100,
  );
  const { text } = await ask('garbage-ci', 'show the last log lines');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
  assert.ok(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text));
  assert.ok(performance.now() - began < 10_000);
});
