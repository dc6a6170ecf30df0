// What every implementation of the engine seam promises; run for the twin in memory and for a real engine.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ContainerSpec, type Engine, type EngineEvent, type EngineThing, settingsOfSpec } from '#container-ci';
import { eventually } from '../support/deadline.ts';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** An image that says "ready" and then listens on TCP port 8080. */
  readonly image: string;
  /** An image that ends at once with exit code 3. */
  readonly failing: string;
}

export function engineContract(name: string, open: () => Promise<EngineUnderTest & AsyncDisposable>): void {
  describe(`the engine contract, ${name}`, () => {
    const signal = AbortSignal.timeout(120_000);
    let under: EngineUnderTest & AsyncDisposable;
    const spec = (container: string, more: Partial<ContainerSpec> = {}): ContainerSpec => ({
      name: container,
      image: under.image,
      labels: { 'test.contract': 'yes' },
      network: { name: 'contract', aliases: [container] },
      publish: [],
      restart: 'no',
      ...more,
    });
    before(async () => {
      under = await open();
      await under.engine.createNetwork('contract', {}, { signal });
    });
    after(() => under?.[Symbol.asyncDispose]());

    test('an engine names itself the same way each time', async () => {
      const first = await under.engine.info({ signal });
      assert.ok(first.id.length > 0);
      assert.deepEqual(await under.engine.info({ signal }), first);
    });

    test('a container that is created, started and removed tells so in events, in this order', async () => {
      const { engine } = under;
      const stop = new AbortController();
      const events: EngineEvent[] = [];
      const reading = (async () => {
        for await (const event of engine.events({ signal: stop.signal })) events.push(event);
      })();
      const id = await engine.createContainer(spec('told'), { signal });
      await engine.startContainer(id, { signal });
      await engine.stopContainer(id, { graceSeconds: 0, signal });
      await engine.removeContainer(id, { signal });
      await eventually('the container is destroyed', () => events.some((event) => event.type === 'destroy'));
      stop.abort();
      await reading;
      const types = events.filter((event) => event.containerId === id).map((event) => event.type);
      // An engine may say twice that it was asked to stop: by SIGTERM, then by SIGKILL.
      assert.deepEqual([...new Set(types)], ['create', 'start', 'kill', 'die', 'destroy']);
      assert.equal(events.find((event) => event.type === 'kill')?.signal, 15);
      assert.equal(typeof events.find((event) => event.type === 'die')?.exitCode, 'number');
    });

    test('what runs is seen from outside: state, labels, address, processes, sockets, log and usage', async () => {
      const { engine } = under;
      const id = await engine.createContainer(spec('seen', { publish: [{ port: 8080, hostPort: 0 }] }), { signal });
      assert.equal((await engine.inspect('seen', { signal }))?.status, 'created');
      await engine.startContainer('seen', { signal });
      await eventually('it listens on 8080', async () =>
        (await engine.sockets(id, { signal })).some((socket) => socket.port === 8080),
      );
      const state = await engine.inspect(id, { signal });
      assert.equal(state?.status, 'running');
      assert.equal(state.exitCode, undefined);
      assert.equal(state.labels['test.contract'], 'yes');
      assert.match(state.addresses[0]?.address ?? '', /^\d+\.\d+\.\d+\.\d+$/);
      assert.equal(state.published[0]?.hostAddress, '127.0.0.1');
      assert.ok((state.published[0]?.hostPort ?? 0) > 0);
      assert.deepEqual(
        (await engine.sockets(id, { signal })).map((socket) => socket.port),
        [8080],
        'the resolver of the engine is none of its sockets',
      );
      assert.ok((await engine.processes(id, { signal })).length > 0);
      const usage = await engine.usage(id, { signal });
      assert.ok(usage.processes > 0);
      assert.equal(usage.memoryLimitBytes, 0, 'no limit was set');
      const lines = await eventually('the log has a line', async () => {
        const read = await engine.logs(id, { tail: 10, signal });
        return read.length > 0 && read;
      });
      assert.deepEqual({ ...lines[0], at: undefined }, { at: undefined, stream: 'stdout', text: 'ready' });
      assert.ok(lines[0]?.at instanceof Date);
      const summary = (await engine.containers({ signal })).find((one) => one.id === id);
      assert.equal(summary?.name, 'seen');
      assert.equal(summary?.state, 'running');
      await engine.removeContainer(id, { signal });
      assert.equal(await engine.inspect(id, { signal }), undefined);
    });

    test('a log that is followed gives the old lines first and ends with the signal', async () => {
      const { engine } = under;
      const id = await engine.createContainer(spec('followed'), { signal });
      await engine.startContainer(id, { signal });
      const stop = new AbortController();
      const texts: string[] = [];
      for await (const line of engine.followLogs(id, { tail: 5, signal: stop.signal })) {
        texts.push(line.text);
        stop.abort();
      }
      assert.deepEqual(texts, ['ready']);
      await engine.removeContainer(id, { signal });
    });

    test('the exit code of a main process that ended is kept', async () => {
      const { engine } = under;
      const id = await engine.createContainer(spec('failing', { image: under.failing }), { signal });
      await engine.startContainer(id, { signal });
      const state = await eventually('it has ended', async () => {
        const read = await engine.inspect(id, { signal });
        return read?.status === 'exited' && read;
      });
      assert.equal(state.exitCode, 3);
      assert.equal((await engine.containers({ signal })).find((one) => one.id === id)?.exitCode, 3);
      assert.equal(state.pid, undefined);
      assert.deepEqual(await engine.sockets(id, { signal }), []);
      assert.deepEqual(await engine.processes(id, { signal }), []);
      await engine.removeContainer(id, { signal });
    });

    test('a name is given once, and a rename frees it', async () => {
      const { engine } = under;
      const first = await engine.createContainer(spec('named'), { signal });
      await assert.rejects(engine.createContainer(spec('named'), { signal }), { code: 'name-taken' });
      await engine.renameContainer(first, 'named-before', { signal });
      const second = await engine.createContainer(spec('named'), { signal });
      assert.equal((await engine.inspect('named-before', { signal }))?.id, first);
      for (const id of [first, second]) await engine.removeContainer(id, { signal });
    });

    test('how a container is set up is read back in the words of its spec', async () => {
      const { engine } = under;
      await engine.createNetwork('contract.more', {}, { signal });
      await engine.createVolume('contract.data', { 'test.contract': 'yes' }, { signal });
      const asked = spec('set-up', {
        otherNetworks: ['contract.more'],
        publish: [{ port: 8080, hostPort: 0 }],
        restart: 'on-failure',
        memoryBytes: 32 << 20,
        nanoCpus: 500_000_000,
        processes: 50,
        shmBytes: 8 << 20,
        openFiles: 4096,
        graceSeconds: 1,
        mounts: [
          { kind: 'memory', path: '/tmp', sizeBytes: 1 << 20, readOnly: false },
          { kind: 'volume', source: 'contract.data', path: '/data', readOnly: false },
        ],
        security: { readOnly: true, capDrop: ['ALL'], capAdd: ['NET_BIND_SERVICE'] },
      });
      const id = await engine.createContainer(asked, { signal });
      await engine.startContainer(id, { signal });
      const { imageId, ...settings } = (await engine.settings(id, { signal })) ?? {};
      const { imageId: _, ...expected } = settingsOfSpec(asked);
      assert.deepEqual(settings, expected);
      assert.ok(imageId);
      const state = await engine.inspect(id, { signal });
      assert.deepEqual(state?.addresses.map(({ network }) => network).sort(), ['contract', 'contract.more']);
      await engine.stopContainer(id, { signal });
      await engine.removeContainer(id, { signal });
      await engine.removeNetwork('contract.more', { signal });
      assert.equal(await engine.settings(id, { signal }), undefined);
    });

    test('networks and volumes keep the labels they were made with until they are removed', async () => {
      const { engine } = under;
      for (const labels of [{ who: 'first' }, { who: 'second' }] as Record<string, string>[]) {
        await engine.createVolume('contract.kept', labels, { signal });
        await engine.createNetwork('contract.kept', labels, { signal });
      }
      const find = async (list: Promise<readonly EngineThing[]>) =>
        (await list).find(({ name }) => name === 'contract.kept')?.labels['who'];
      assert.equal(await find(engine.volumes({ signal })), 'first');
      assert.equal(await find(engine.networks({ signal })), 'first');
      const mounts = [{ kind: 'volume', source: 'contract.kept', path: '/data', readOnly: false }] as const;
      const id = await engine.createContainer(spec('holder', { mounts }), { signal });
      await assert.rejects(engine.removeVolume('contract.kept', { signal }), { code: 'engine-failed' });
      await engine.removeContainer(id, { signal });
      assert.equal(await find(engine.volumes({ signal })), 'first', 'it outlives its container');
      for (const _ of [1, 2]) await engine.removeVolume('contract.kept', { signal });
      await engine.removeNetwork('contract.kept', { signal });
      assert.equal(await find(engine.volumes({ signal })), undefined);
      assert.equal(await find(engine.networks({ signal })), undefined);
    });

    test('doing a thing again changes nothing and is no error', async () => {
      const { engine } = under;
      await engine.createNetwork('contract', {}, { signal });
      const id = await engine.createContainer(spec('again'), { signal });
      await engine.startContainer(id, { signal });
      await engine.startContainer(id, { signal });
      await engine.stopContainer(id, { graceSeconds: 0, signal });
      await engine.stopContainer(id, { graceSeconds: 0, signal });
      await engine.removeContainer(id, { signal });
      await engine.removeContainer(id, { signal });
      await engine.stopContainer(id, { graceSeconds: 0, signal });
      await engine.removeNetwork('never-there', { signal });
    });

    test('what is not there is said with a code', async () => {
      const { engine } = under;
      assert.equal(await engine.inspect('nobody', { signal }), undefined);
      assert.equal(await engine.hasImage('nothing/at-all:1', { signal }), false);
      assert.equal(await engine.hasImage(under.image, { signal }), true);
      await assert.rejects(engine.startContainer('nobody', { signal }), { code: 'no-such-container' });
      await assert.rejects(engine.logs('nobody', { tail: 1, signal }), { code: 'no-such-container' });
      await assert.rejects(engine.createContainer(spec('imageless', { image: 'nothing/at-all:1' }), { signal }), {
        code: 'no-such-image',
      });
    });

    test('a call whose signal is aborted does nothing', async () => {
      const reason = new Error('changed our mind');
      await assert.rejects(under.engine.createContainer(spec('never'), { signal: AbortSignal.abort(reason) }), reason);
      assert.equal(await under.engine.inspect('never', { signal }), undefined);
    });
  });
}
