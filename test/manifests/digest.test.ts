// What changes a digest and what doesn't; the vectors are the protocol.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { canonicalJson, type Manifest, manifestDigest, parseManifest } from '#manifests';
import { type BuildInputs, makeBuildKey } from '../../manifests/digest.ts';

const vectors = JSON.parse(await readFile(path.join(import.meta.dirname, '../vectors/manifests.json'), 'utf8')) as {
  manifests: {
    name: string;
    manifest: unknown;
    inputs: BuildInputs;
    manifestDigest: string;
    buildKeys: Record<string, string>;
  }[];
};

const parse = (value: unknown): Manifest => parseManifest(JSON.stringify(value), { file: 'manifest.json' });
const full = vectors.manifests.find(({ name }) => name === 'full');
assert.ok(full);

test('the digests of the vectors are what they are', () => {
  for (const { manifest, inputs, manifestDigest: expected, buildKeys } of vectors.manifests) {
    const parsed = parse(manifest);
    assert.equal(manifestDigest(parsed), expected);
    const keys = Object.entries(parsed.containers).map(([name, one]) => [name, makeBuildKey(parsed, one, inputs)]);
    assert.deepEqual(Object.fromEntries(keys), buildKeys);
  }
});

test('the order of keys and white space change nothing', () => {
  const turned = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(turned)
      : value && typeof value === 'object'
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, part]) => [key, turned(part)]),
          )
        : value;
  const other = parseManifest(JSON.stringify(turned(full.manifest), undefined, '\t\t'), { file: 'm' });
  assert.equal(manifestDigest(other), full.manifestDigest);
});

test('a default that is written out changes nothing', () => {
  assert.equal(manifestDigest(parse(parse(full.manifest))), full.manifestDigest);
});

test('what cannot be canonical is refused', () => {
  assert.throws(() => canonicalJson(Number.NaN));
  assert.throws(() => canonicalJson('\ud800'));
});

test('canonical JSON is that of RFC 8785: order by UTF-16, shortest numbers, fewest escapes', () => {
  // Section 3.2.2 and 3.2.3, and numbers of appendix B.
  const sample =
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}';
  assert.equal(
    canonicalJson(JSON.parse(sample)),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  assert.deepEqual(
    [...canonicalJson(keys).matchAll(/:(\d)/g)].map(([, value]) => Number(value)),
    [2, 4, 6, 7, 1, 5, 3],
  );
  const numbers: readonly [string, string][] = [
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555554', '333333333.33333325'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ];
  for (const [bits, text] of numbers) assert.equal(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE()), text);
});

type Edit = (manifest: Manifest & { containers: Record<string, Manifest['containers'][string]> }) => void;
const keeps: Record<string, Edit> = {
  'its description': (manifest) => Object.assign(manifest.project, { description: 'another' }),
  depends_on: ({ containers }) =>
    Object.assign(containers['web'] ?? {}, { depends_on: { store: { condition: 'started' } } }),
  health: ({ containers }) => Object.assign(containers['web'] ?? {}, { health: undefined }),
  restart: ({ containers }) => Object.assign(containers['web'] ?? {}, { restart: 'no' }),
  resources: ({ containers }) => Object.assign(containers['web'] ?? {}, { resources: { memory_mib: 7 } }),
  publish: ({ containers }) => Object.assign(containers['web'] ?? {}, { publish: [] }),
  'its CI': ({ containers }) => Object.assign(containers['web'] ?? {}, { ci_name: 'other', ci_capabilities: ['x'] }),
};
const changes: Record<string, Edit> = {
  environment: ({ containers }) => Object.assign(containers['web']?.environment ?? {}, { A: '2' }),
  user: ({ containers }) => Object.assign(containers['web'] ?? {}, { user: '5:5' }),
  'an owner': ({ containers }) => Object.assign(containers['web']?.applications['app']?.owner ?? {}, { uid: 9 }),
  'a link': ({ containers }) => containers['web']?.links.push({ path: '/new', target: 'old' }),
  ports: ({ containers }) => containers['web']?.ports.push(81),
  command: ({ containers }) => containers['web']?.command.push('more'),
};
const keyOf = (manifest: Manifest): string => {
  const web = manifest.containers['web'];
  assert.ok(web);
  return makeBuildKey(manifest, web, full.inputs);
};
for (const [what, edit] of Object.entries(keeps)) {
  test(`an edit of ${what} keeps the build key and changes the manifest's digest`, () => {
    const edited = structuredClone(parse(full.manifest));
    edit(edited);
    assert.equal(keyOf(edited), full.buildKeys['web']);
    assert.notEqual(manifestDigest(JSON.parse(JSON.stringify(edited))), full.manifestDigest);
  });
}
for (const [what, edit] of Object.entries(changes)) {
  test(`an edit of ${what} changes the build key`, () => {
    const edited = structuredClone(parse(full.manifest));
    edit(edited);
    assert.notEqual(keyOf(edited), full.buildKeys['web']);
  });
}

test('another source, package or platform changes the build key', () => {
  const manifest = parse(full.manifest);
  const web = manifest.containers['web'];
  assert.ok(web);
  const other = `sha256:${'f'.repeat(64)}` as const;
  for (const inputs of [
    { ...full.inputs, content: { 'app/source': other } },
    { ...full.inputs, files: [other] },
    { ...full.inputs, packages: other },
    { ...full.inputs, base: other },
    { ...full.inputs, platform: 'linux/arm64' as const },
  ]) {
    assert.notEqual(makeBuildKey(manifest, web, inputs), full.buildKeys['web']);
  }
});
