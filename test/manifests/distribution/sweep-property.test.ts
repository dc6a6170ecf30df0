// Of any graph of blobs: what is reachable stays, what isn't and is old goes; also on a disk where others write, read and upload.
import assert from 'node:assert/strict';
import { mkdir, rename, utimes } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { type Digest, digestOf, mediaTypes, openBlobStore, openPartialStore } from '#manifests';
import { type Links, openUploads, planRemovals } from '#manifests/distribution';
import { gather, openFolder, pieces } from '../folder.ts';

const { signal } = new AbortController();
const day = 24 * 60 * 60_000;

const digestAt = (at: number): Digest => digestOf(`blob ${at}`);
const count = 30;
const index = fc.nat(count - 1);
const graphs = fc.record({
  ages: fc.array(fc.nat(20), { minLength: count, maxLength: count }),
  edges: fc.array(fc.tuple(index, index), { maxLength: 60 }),
  subjects: fc.array(fc.tuple(index, index), { maxLength: 10 }),
  roots: fc.array(index, { maxLength: 4 }),
  grace: fc.nat(20),
  limit: fc.nat(count * 10),
});

/** By the definition, one rule at a time until nothing changes: slow, and not how the sweep does it. */
function reachable(
  roots: readonly number[],
  edges: readonly (readonly number[])[],
  subjects: ReadonlyMap<number, number>,
) {
  const all = new Set(roots);
  for (let size = -1; size !== all.size; ) {
    size = all.size;
    for (const [from = -1, to = -1] of edges) if (all.has(from)) all.add(to);
    for (const [referrer, subject] of subjects) if (all.has(subject)) all.add(referrer);
  }
  return all;
}

test('nothing goes that a root or a young blob leads to, and with no limit to spare everything else goes, the oldest first', () => {
  fc.assert(
    fc.property(graphs, ({ ages, edges, subjects: pairs, roots, grace, limit }) => {
      const subjects = new Map(pairs.map(([referrer, subject]) => [referrer, subject]));
      const links = new Map<Digest, Links>();
      for (let at = 0; at < count; at += 1) {
        const names = edges.filter(([from]) => from === at).map(([, to]) => digestAt(to));
        const subject = subjects.get(at);
        if (names.length > 0 || subject !== undefined)
          links.set(digestAt(at), { names, ...(subject !== undefined && { subject: digestAt(subject) }) });
      }
      const blobs = ages.map((age, at) => ({ digest: digestAt(at), sizeBytes: 10, usedAtMs: -age }));
      const young = ages.flatMap((age, at) => (-age >= -grace ? [at] : []));
      const needed = reachable([...roots, ...young], edges, subjects);
      const ask = (limitBytes: number) =>
        planRemovals({ blobs, links, roots: roots.map(digestAt), limitBytes, usedSinceMs: -grace });
      const all = ask(0);
      const idle = blobs.filter((_, at) => !needed.has(at)).map(({ digest }) => digest);
      assert.deepEqual(all.remove.map(({ digest }) => digest).sort(), idle.sort());
      assert.deepEqual([all.sizeBytes, all.neededBytes, all.sparedBytes], [count * 10, needed.size * 10, 0]);
      const some = ask(limit);
      assert.deepEqual(some.remove, all.remove.slice(0, some.remove.length), 'the same ones, and fewer');
      assert.ok(all.remove.every((one, at) => at === 0 || one.usedAtMs >= (all.remove[at - 1]?.usedAtMs ?? 0)));
      const left = count * 10 - some.remove.length * 10;
      assert.ok(left <= limit || some.remove.length === idle.length);
      assert.ok(some.remove.length === 0 || left + 10 > limit, 'no more than it must');
      assert.equal(some.sparedBytes, (idle.length - some.remove.length) * 10);
    }),
    { numRuns: 500 },
  );
});

test('a config that an engine names keeps its image, and the empty config of artifacts keeps none', () => {
  const [image, config, layer, artifact, empty] = [
    digestAt(1),
    digestAt(2),
    digestAt(3),
    digestAt(4),
    digestOf('{}'),
  ] as const;
  const links = new Map<Digest, Links>([
    [image, { names: [config, layer], config }],
    [artifact, { names: [empty], config: empty }],
  ]);
  const blobs = [image, config, layer, artifact, empty].map((digest) => ({ digest, sizeBytes: 1, usedAtMs: 0 }));
  const { remove } = planRemovals({ blobs, links, roots: [config, empty], limitBytes: 0, usedSinceMs: 1 });
  assert.deepEqual(
    remove.map(({ digest }) => digest),
    [artifact],
  );
});

async function openStore() {
  const folder = await openFolder();
  const blobs = await openBlobStore(folder.path, { now: Date.now });
  const fileOf = (digest: Digest) => path.join(folder.path, 'sha256', digest.slice(7, 9), digest.slice(7));
  const old = new Date(Date.now() - 50 * day);
  return {
    blobs,
    path: folder.path,
    fileOf,
    old,
    /** A blob that nobody used for 50 days. */
    async aged(text: string): Promise<Digest> {
      const { digest } = await blobs.write([Buffer.from(text)], { maxBytes: 1e6, signal });
      await utimes(fileOf(digest), old, old);
      return digest;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test('whoever finds a blob there while it is being removed reads it whole, and a blob that is written then stays', async () => {
  await using store = await openStore();
  const { blobs } = store;
  const usedSinceMs = Date.now() - day;
  const seen = { kept: 0, gone: 0 };
  for (let round = 0; round < 60; round += 1) {
    const text = `round ${round}`;
    const digest = await store.aged(text);
    const wait = async (turns: number): Promise<void> => {
      for (let at = 0; at < turns; at += 1) await turn();
    };
    const remove = async () => {
      await wait(round % 3);
      return await blobs.remove(digest, { usedSinceMs });
    };
    const use = async () => {
      await wait(round % 7);
      if (round % 2 === 0) {
        await blobs.write([Buffer.from(text)], { maxBytes: 1e6, signal });
        return true;
      }
      return await blobs.has(digest);
    };
    const [, isThere] = await Promise.all([remove(), use()]);
    if (isThere) assert.equal(String(await gather(blobs.read(digest))), text);
    assert.equal(await blobs.has(digest), isThere);
    seen[isThere ? 'kept' : 'gone'] += 1;
  }
  assert.ok(seen.kept > 30 && seen.gone > 0, JSON.stringify(seen));
});

test('a blob that a crash left half removed is there again', async () => {
  await using store = await openStore();
  const digest = await store.aged('wanted');
  await mkdir(path.join(store.path, 'removing'));
  await rename(store.fileOf(digest), path.join(store.path, 'removing', digest.slice(7)));
  assert.equal(await store.blobs.has(digest), false);
  const again = await openBlobStore(store.path);
  assert.equal(String(await gather(again.read(digest))), 'wanted');
});

test('what an upload or a fetch of weeks brings counts as used when it is whole', async () => {
  await using store = await openStore();
  const uploads = openUploads(store.path);
  const partials = await openPartialStore(store.path);
  const usedSinceMs = Date.now() - day;
  const [pushed, fetched] = [Buffer.from('pushed'), Buffer.from('fetched')];

  const id = await uploads.begin('shop');
  await uploads.append('shop', id, pieces(pushed));
  await utimes(path.join(store.path, 'uploads', id), store.old, store.old);
  await uploads.finish('shop', id, digestOf(pushed));
  assert.equal(await store.blobs.remove(digestOf(pushed), { usedSinceMs }), false);

  await using partial = await partials.open(digestOf(fetched), fetched.length);
  await partial.write(0, fetched);
  await utimes(path.join(store.path, 'partial', digestOf(fetched).slice(7)), store.old, store.old);
  assert.ok(await partial.finish());
  assert.equal(await store.blobs.remove(digestOf(fetched), { usedSinceMs }), false);
});

test('uploads and fetches that nobody went on with are given up, and those that go on are not', async () => {
  await using store = await openStore();
  const uploads = openUploads(store.path);
  const partials = await openPartialStore(store.path);
  const beforeMs = Date.now() - 7 * day;
  const age = (file: string) => utimes(path.join(store.path, file), store.old, store.old);

  const [left, going] = [await uploads.begin('shop'), await uploads.begin('shop')];
  for (const id of [left, going]) {
    await uploads.append('shop', id, pieces(Buffer.from('12345')));
    await age(`uploads/${id}`);
  }
  const more = Promise.withResolvers<void>();
  async function* slowly() {
    yield Buffer.from('6');
    await more.promise;
    yield Buffer.from('7');
  }
  const appending = uploads.append('shop', going, slowly());
  const clearing = uploads.clear(beforeMs);
  more.resolve();
  assert.deepEqual([await appending, await clearing], [7, undefined]);
  assert.deepEqual([await uploads.size('shop', left), await uploads.size('shop', going)], [undefined, 7]);

  const [idle, open] = [digestOf('idle'), digestOf('open')];
  await (await partials.open(idle, 10))[Symbol.asyncDispose]();
  await using filling = await partials.open(open, 4);
  for (const digest of [idle, open]) await age(`partial/${digest.slice(7)}`);
  await partials.clear(beforeMs);
  await filling.write(0, Buffer.from('open'));
  assert.ok(await filling.finish(), 'it was being filled');
  await using anew = await partials.open(idle, 10);
  assert.equal(anew.isResumed, false);
});

test('a sweep beside a build that makes an image of blobs that were old leaves the image whole', async () => {
  await using store = await openStore();
  const { blobs } = store;
  const { openRepositories, planSweep } = await import('#manifests/distribution');
  const repositories = openRepositories(blobs);
  for (let round = 0; round < 20; round += 1) {
    const layers = await Promise.all([1, 2, 3].map((part) => store.aged(`layer ${part} of ${round}`)));
    const usedSinceMs = Date.now() - day;
    const sweep = async (): Promise<void> => {
      const { remove } = await planSweep(blobs, { repositories, roots: async () => [], limitBytes: 0, usedSinceMs });
      for (const one of remove) await blobs.remove(one.digest, { usedSinceMs });
    };
    // As a build does: what is remembered and still there is taken, the rest is made.
    const build = async (): Promise<Digest> => {
      for (let at = 0; at < round; at += 1) await turn();
      for (const [part, layer] of layers.entries())
        if (!(await blobs.has(layer)))
          await blobs.write([Buffer.from(`layer ${part + 1} of ${round}`)], { maxBytes: 1e6, signal });
      const named = (mediaType: string, digest: Digest) => ({ mediaType, digest, size: 1 });
      const config = await blobs.write([Buffer.from(`{"round":${round}}`)], { maxBytes: 1e6, signal });
      const manifest = {
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        config: named(mediaTypes.config, config.digest),
        layers: layers.map((digest) => named(mediaTypes.layer, digest)),
      };
      return (await blobs.write([Buffer.from(JSON.stringify(manifest))], { maxBytes: 1e6, signal })).digest;
    };
    const [, image] = await Promise.all([sweep(), build()]);
    for (const digest of [image, ...layers]) assert.ok(await blobs.has(digest), `round ${round}: ${digest}`);
  }
});
