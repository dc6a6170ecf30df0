// What every source of bases promises for an image; run for the twin in memory, for a registry, and for what an engine saves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestOf } from '#manifests';
import type { BaseSource, WantedBase } from '#manifests/bases';
import { gather } from './folder.ts';

export interface BaseUnderTest extends AsyncDisposable {
  readonly source: BaseSource;
  /** An image for linux/amd64 with one layer, whose bytes are these. */
  readonly layer: Buffer;
  readonly wanted: WantedBase;
  /** The same kind of base with another digest. */
  readonly missing: (digest: Digest) => WantedBase;
  /** A tag of the image and its digest, where the kind has tags. */
  readonly tag?: { readonly reference: string; readonly digest: Digest };
}

export function baseSourceContract(name: string, open: () => Promise<BaseUnderTest>): void {
  const signal = AbortSignal.timeout(60_000);
  test(`${name} opens an image by content: its config, and its layers as they are`, async () => {
    await using under = await open();
    await using opened = await under.source.open(under.wanted, 'linux/amd64', { signal });
    assert.ok(opened.kind === 'image');
    const config = JSON.parse(Buffer.from(opened.config).toString()) as { rootfs: { diff_ids: string[] } };
    assert.deepEqual(config.rootfs.diff_ids, [digestOf(under.layer)]);
    const [layer] = opened.layers;
    assert.equal(layer?.compression, 'none');
    for (let twice = 0; twice < 2; twice += 1)
      assert.equal(digestOf(await gather(layer.read())), digestOf(under.layer), 'it can be read again');
  });

  test(`${name} says that a base is not there`, async () => {
    await using under = await open();
    const missing = under.missing(digestOf('nothing'));
    await assert.rejects(under.source.open(missing, 'linux/amd64', { signal }), { code: 'base-unavailable' });
    await assert.rejects(under.source.resolve('127.0.0.1:1/none:1', 'linux/amd64', { signal }), {
      code: 'base-unavailable',
    });
  });

  test(`${name} gives for a tag the digest by which it opens the same image`, async (t) => {
    await using under = await open();
    if (!under.tag) return t.skip('this kind of base has no tags');
    const digest = await under.source.resolve(under.tag.reference, 'linux/amd64', { signal });
    assert.equal(digest, under.tag.digest);
  });
}
