// What every source of Debian packages keeps, whatever is behind it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type LockedPackage, lockedPackageSchema, type PackageSource, readDeb } from '#manifests/debian';
import { gather } from './folder.ts';

/** A package that the source knows, something that it depends on, and a name that no source knows. */
interface Names {
  readonly name: string;
  readonly needs: string;
  readonly unknown: string;
}

/** Runs the suite against a source that `open` gives. */
export function packageSourceContract(
  title: string,
  open: () => Promise<PackageSource>,
  { name, needs, unknown }: Names,
  options: { readonly skip?: string | false } = {},
): void {
  const signal = AbortSignal.timeout(300_000);
  const find = (packages: readonly LockedPackage[], wanted: string): LockedPackage => {
    const found = packages.find((one) => one.name === wanted);
    assert.ok(found, `"${wanted}" is resolved`);
    return found;
  };

  test(`${title}: a name resolves to all that it needs, by name, the same twice`, options, async () => {
    const source = await open();
    const resolved = await source.resolve([name], 'linux/amd64', { signal });
    for (const one of resolved) lockedPackageSchema.parse(one);
    find(resolved, name);
    find(resolved, needs);
    const names = resolved.map((one) => one.name);
    assert.deepEqual(names, [...names].sort());
    assert.deepEqual(await source.resolve([name], 'linux/amd64', { signal }), resolved);
    assert.deepEqual(await source.resolve([], 'linux/amd64', { signal }), []);
  });

  test(`${title}: the bytes are those that were resolved, also when many are asked for at once`, options, async () => {
    const source = await open();
    const resolved = await source.resolve([name], 'linux/amd64', { signal });
    const some = [find(resolved, name), find(resolved, needs)];
    await Promise.all(
      some.map(async (locked) => {
        const bytes = await gather(await source.fetch(locked, { signal }));
        assert.equal(bytes.length, locked.size_bytes);
        assert.equal(createHash('sha256').update(bytes).digest('hex'), locked.sha256);
        const once = async function* () {
          yield bytes;
        };
        assert.ok((await Array.fromAsync(readDeb(once()))).length > 0, 'it is a package with files');
      }),
    );
  });

  test(`${title}: a name that nobody knows is refused by name`, options, async () => {
    const source = await open();
    await assert.rejects(source.resolve([name, unknown], 'linux/amd64', { signal }), (error: Error) => {
      assert.ok('code' in error);
      assert.equal(error.code, 'package-unknown');
      return error.message.includes(`"${unknown}"`);
    });
  });

  test(`${title}: a version that is gone is refused with the way to mend it`, options, async () => {
    const source = await open();
    const locked = find(await source.resolve([name], 'linux/amd64', { signal }), name);
    const gone = {
      ...locked,
      version: '0.0.1-0',
      pool_path: `pool/main/z/zz/${name}_0.0.1-0_all.deb`,
      sha256: '0'.repeat(64),
    };
    await assert.rejects(source.fetch(gone, { signal }), {
      code: 'package-unavailable',
      message: /lock FILE --refresh/,
    });
  });

  test(`${title}: what is given up ends with the reason`, options, async () => {
    const source = await open();
    const aborted = AbortSignal.abort(new Error('given up'));
    await assert.rejects(source.resolve([name], 'linux/amd64', { signal: aborted }), /given up/);
  });
}
