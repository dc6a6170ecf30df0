// What of /out becomes a layer, and what is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { openBlobStore } from '#manifests';
import { readTar } from '#manifests/debian';
import { canonicalResult, compareResults } from '#manifests/steps';
import { openFolder, pieces } from '../folder.ts';

const signal = AbortSignal.timeout(60_000);
const limits = { maxBytes: 1 << 20, maxEntries: 100 };

/** The result of an /out that a shell fills, as GNU tar packs it. */
async function resultOf(script: string, more: Partial<typeof limits> = {}) {
  await using folder = await openFolder();
  const command = `mkdir out && cd out && ${script} && cd .. && tar -cf - out`;
  const raw = execFileSync('bash', ['-ec', command], { cwd: folder.path, maxBuffer: 64 << 20 });
  await using store = await openFolder();
  const blobs = await openBlobStore(store.path);
  const { digest } = await canonicalResult(pieces(raw, 700), {
    blobs,
    epochSeconds: 0,
    limits: { ...limits, ...more },
    signal,
  });
  const entries = await Array.fromAsync(readTar(blobs.read(digest)), ({ path, type, mode, uid, size }) => ({
    path,
    type,
    mode,
    uid,
    size,
  }));
  return { digest, entries };
}

test('owners, times, modes, order and hard links of /out mean nothing', async () => {
  const one = await resultOf('mkdir d; echo x > d/a; echo x > b; chmod 755 b; ln -s d/a link; mkdir empty');
  const other = await resultOf(
    'umask 077; echo x > b; chmod 711 b; mkdir empty d; echo x > d/a; touch -d @5 d/a; ln -s d/a link; ln b c; rm b; mv c b',
  );
  assert.equal(other.digest, one.digest);
  assert.deepEqual(
    one.entries.map(({ path, type, mode, uid }) => [path, type, mode.toString(8), uid]),
    [
      ['b', 'file', '755', 0],
      ['d', 'directory', '755', 0],
      ['d/a', 'file', '644', 0],
      ['empty', 'directory', '755', 0],
      ['link', 'symlink', '777', 0],
    ],
  );
  const linked = await resultOf('echo x > a; ln a b');
  assert.equal(linked.digest, (await resultOf('echo x > a; echo x > b')).digest);
});

test('devices, links that lead out, names that fall together and too much are refused with their place', async () => {
  const refused: readonly (readonly [string, RegExp, Partial<typeof limits>?])[] = [
    ['mkfifo pipe', /"out\/pipe"|"pipe"/],
    ['ln -s /etc/passwd l', /"l" is a link to "\/etc\/passwd", which leads out/],
    ['mkdir d; ln -s ../../x d/l', /"d\/l" is a link to "..\/..\/x"/],
    ['echo a > Read; echo b > read', /falls together/],
    ["echo a > $'e\\u0301'; echo b > $'\\u00e9'", /falls together/],
    ["echo a > $'\\xff'", /not UTF-8/],
    ['head -c 2M /dev/zero > big', /more than 1048576 bytes/],
    ['touch a b c d', /more than 3 files/, { maxEntries: 3 }],
  ];
  for (const [script, message, more] of refused) await assert.rejects(resultOf(script, more), { message }, script);
});

test('what differs between two results is named, with what it is', async () => {
  await using store = await openFolder();
  const blobs = await openBlobStore(store.path);
  const make = async (script: string) => {
    await using folder = await openFolder();
    const raw = execFileSync('bash', ['-ec', `mkdir out && cd out && ${script} && cd .. && tar -cf - out`], {
      cwd: folder.path,
    });
    return (await canonicalResult(pieces(raw), { blobs, epochSeconds: 0, limits, signal })).digest;
  };
  const one = await make('echo 1 > a; echo 1 > b; echo 1 > c; ln -s a l; echo 1 > same');
  const two = await make('echo 2 > a; mkdir b; echo 1 > c; chmod 755 c; ln -s c l; echo 1 > same; echo 1 > new');
  assert.deepEqual(await compareResults(blobs, one, two), [
    { path: 'a', what: 'content' },
    { path: 'b', what: 'kind' },
    { path: 'c', what: 'mode' },
    { path: 'l', what: 'target' },
    { path: 'new', what: 'only once' },
  ]);
  assert.deepEqual(await compareResults(blobs, one, one), []);
});
