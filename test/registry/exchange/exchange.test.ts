// Blobs between stacks of one process: found, shared, resumed, cut down to what is missing, and liars named.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { rangeBytes, type Shelf } from '#registry/exchange';
import { ExchangeMesh, keep, knows, noise } from '../../support/exchanging.ts';

const mib = 1024 * 1024;
const soon = (ms = 30_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) });

/** Gives these bytes for that blob, under a list of ranges that is right for `vouched`. */
function liesWith(given: Uint8Array, vouched: Uint8Array) {
  return (shelf: Shelf): Shelf => ({
    ...shelf,
    size: async () => given.byteLength,
    rangeList: async () => listOf(vouched),
    async *read(_, { offset, length }) {
      yield given.subarray(offset, offset + length);
    },
  });
}

function listOf(content: Uint8Array): Uint8Array {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.byteLength; at += rangeBytes) {
    hashes.push(
      createHash('sha256')
        .update(content.subarray(at, at + rangeBytes))
        .digest(),
    );
  }
  return Buffer.concat(hashes);
}

test('a blob comes from whoever said that it holds it, and is whole', async () => {
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source');
  const other = await mesh.open('other');
  const content = noise(3 * mib + 17, 'one');
  const digest = await keep(source, content);
  const small = await keep(source, noise(100, 'small'));
  await knows(other, 2);
  const fetched = await other.exchange.fetch(digest, soon());
  assert.deepEqual(fetched, { sizeBytes: content.byteLength, receivedBytes: content.byteLength, resumedBytes: 0 });
  assert.ok(Buffer.from(await other.blobs.bytes(digest, { maxBytes: 1e9 })).equals(content));
  assert.equal((await other.exchange.fetch(small, soon())).sizeBytes, 100);
  assert.equal((await other.exchange.fetch(small, soon())).receivedBytes, 0);
});

test('what nobody holds is told as such', async () => {
  await using mesh = new ExchangeMesh();
  await mesh.open('source');
  const other = await mesh.open('other');
  await assert.rejects(other.exchange.fetch(`sha256:${'a'.repeat(64)}`, soon()), { code: 'unreachable' });
});

test('eight stacks that fetch at once give one another what they have: the source gives at most three copies', async () => {
  await using mesh = new ExchangeMesh();
  // A slow uplink is what it is about: the time that machines take for it is little beside.
  const source = await mesh.open('source', { maxUploadBytesPerSecond: 6 * mib });
  const others = [];
  for (let index = 0; index < 8; index += 1) others.push(await mesh.open(`reader-${index}`));
  const digest = await keep(source, noise(24 * mib, 'shared'));
  for (const other of others) await knows(other, 1);
  await Promise.all(others.map(({ exchange }) => exchange.fetch(digest, soon(120_000))));
  const given = source.exchange.givenBytes / (24 * mib);
  assert.ok(given <= 3, `the source gave ${given.toFixed(2)} copies to eight`);
});

test('under a low cap each of many askers hears something in time, so that nothing is given twice', async () => {
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source', { maxUploadBytesPerSecond: 200_000 });
  const askers = [];
  for (let index = 0; index < 8; index += 1) {
    const asker = await mesh.open(`asker-${index}`);
    askers.push({ asker, digest: await keep(source, noise(100_000, `of ${index}`)) });
  }
  for (const { asker } of askers) await knows(asker, 8);
  await Promise.all(askers.map(({ asker, digest }) => asker.exchange.fetch(digest, soon())));
  assert.equal(source.exchange.givenBytes, 800_000);
});

test('whoever vouches for bytes that are not the blob is cut, and the blob comes from the others', async () => {
  const content = noise(6 * mib, 'lied about');
  const wrong = Buffer.from(content);
  wrong[3 * mib] = (wrong[3 * mib] as number) ^ 1;
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source');
  const liars = [
    await mesh.open('liar', { twist: liesWith(wrong, wrong) }),
    await mesh.open('accomplice', { twist: liesWith(wrong, wrong) }),
  ];
  const victim = await mesh.open('victim');
  const digest = await keep(source, content);
  for (const liar of liars) await keep(liar, content);
  await knows(victim, 3);
  const fetched = await victim.exchange.fetch(digest, soon());
  assert.ok(Buffer.from(await victim.blobs.bytes(digest, { maxBytes: 1e9 })).equals(content));
  assert.deepEqual(victim.faults.map(({ stack }) => stack).sort(), liars.map(({ registry }) => registry.stack).sort());
  for (const liar of liars) assert.ok(!victim.network.connected().includes(liar.registry.stack));
  // The two liars are the majority: their list is tried first, and what it had right stays.
  assert.ok(fetched.receivedBytes <= content.byteLength + 2 * mib, `${fetched.receivedBytes} bytes came`);
});

test('a stack whose disk changed tells so and gives nothing wrong', async () => {
  const content = noise(2 * mib, 'rots');
  const rotten = Buffer.from(content);
  rotten[5] = (rotten[5] as number) ^ 1;
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source', { twist: liesWith(rotten, content) });
  const victim = await mesh.open('victim');
  const digest = await keep(source, content);
  await knows(victim, 1);
  await assert.rejects(victim.exchange.fetch(digest, soon(3_000)));
  assert.deepEqual(victim.faults, []);
});

test('what came before is not fetched again', async () => {
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source', { maxUploadBytesPerSecond: 8 * mib });
  const other = await mesh.open('other');
  const digest = await keep(source, noise(16 * mib - 1_000, 'resumed'));
  await knows(other, 1);
  await assert.rejects(other.exchange.fetch(digest, soon(900)));
  const given = source.exchange.givenBytes;
  assert.ok(given > 2 * mib, `only ${given} bytes came before the end`);
  const { receivedBytes, resumedBytes } = await other.exchange.fetch(digest, soon());
  assert.ok(resumedBytes > 0);
  assert.equal(receivedBytes + resumedBytes, 16 * mib - 1_000);
});

test('a peer that says nothing is left within some seconds, and the others give the rest', async () => {
  await using mesh = new ExchangeMesh();
  const one = await mesh.open('one', { maxUploadBytesPerSecond: 4 * mib });
  const two = await mesh.open('two', { maxUploadBytesPerSecond: 4 * mib });
  const other = await mesh.open('other');
  const content = noise(12 * mib, 'silent');
  const digest = await keep(one, content);
  await keep(two, content);
  await knows(other, 2);
  const fetching = other.exchange.fetch(digest, soon());
  while (one.exchange.givenBytes < mib) await new Promise((resolve) => setTimeout(resolve, 10));
  mesh.hub.silence(one.registry.stack, other.registry.stack);
  const begin = performance.now();
  await fetching;
  const ms = performance.now() - begin;
  assert.ok(ms < 8_000, `it took ${ms} ms`);
});

test('with a base that is here, only what the base has not comes', async () => {
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source');
  const other = await mesh.open('other');
  const files = Array.from({ length: 500 }, (_, index) => noise(21_000, `file ${index}`));
  const old = Buffer.concat(files);
  for (let index = 0; index < 500; index += 50) files[index] = noise(21_500, `changed ${index}`);
  const fresh = Buffer.concat(files);
  const base = await keep(other, old, { isTold: false });
  const digest = await keep(source, fresh);
  await knows(other, 1);
  const { receivedBytes } = await other.exchange.fetch(digest, { base, ...soon() });
  assert.ok(Buffer.from(await other.blobs.bytes(digest, { maxBytes: 1e9 })).equals(fresh));
  assert.ok(
    receivedBytes <= 0.06 * fresh.byteLength,
    `${((receivedBytes / fresh.byteLength) * 100).toFixed(1)} % came`,
  );
});

test('who may not have a blob is told what one is told that asks for what is not here', async () => {
  await using mesh = new ExchangeMesh();
  let shared = '';
  const source = await mesh.open('source', { mayRead: (_, blob) => blob === shared });
  const other = await mesh.open('other');
  const secret = await keep(source, noise(2 * mib, 'secret'));
  shared = await keep(source, noise(2 * mib, 'open'));
  await knows(other, 2);
  await assert.rejects(other.exchange.fetch(secret, soon()), { code: 'unreachable' });
  assert.equal(source.exchange.givenBytes, 0);
  await other.exchange.fetch(shared as `sha256:${string}`, soon());
});

test('the cap of uploads holds, and two askers have equal shares of it', async () => {
  await using mesh = new ExchangeMesh();
  const source = await mesh.open('source', { maxUploadBytesPerSecond: 4 * mib });
  const [one, two] = [await mesh.open('one'), await mesh.open('two')];
  const first = await keep(source, noise(4 * mib, 'first'));
  const second = await keep(source, noise(4 * mib, 'second'));
  for (const each of [one, two]) await knows(each, 2);
  const begin = performance.now();
  const took = async (work: Promise<unknown>): Promise<number> => work.then(() => performance.now() - begin);
  const times = await Promise.all([took(one.exchange.fetch(first, soon())), took(two.exchange.fetch(second, soon()))]);
  assert.ok(Math.max(...times) > 1_800, `8 MiB at 4 MiB/s took ${Math.max(...times)} ms`);
  assert.ok(Math.min(...times) > 1_400, `the first had its 4 MiB after ${Math.min(...times)} ms`);
});
