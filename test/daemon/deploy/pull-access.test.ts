// Passwords for /v2: for certain repositories and acts, for ten minutes, and bounded in number.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePullAccess } from '#daemon/deploy';
import { digestOf } from '#manifests';
import { Daemons } from '../../support/daemons.ts';

test('a password opens the repository that it was made for, and no other, and pulls alone', () => {
  const access = makePullAccess(() => 0);
  const { password } = access.grant('shop/api');
  assert.ok(password.length >= 32);
  const scope = access.scope(password);
  assert.ok(scope);
  assert.ok(scope.may('shop/api', 'pull'));
  assert.ok(!scope.may('shop/redis', 'pull') && !scope.may('shop', 'pull') && !scope.may('shop/api/x', 'pull'));
  assert.ok(!scope.may('shop/api', 'push') && !scope.may('shop/api', 'delete'));
  assert.ok(!access.scope('') && !access.scope(password.slice(1)));
});

test('a password for a prefix and for pushing opens what is below the prefix, and nothing beside it', () => {
  const access = makePullAccess(() => 0);
  const image = digestOf('an image');
  const { password } = access.grant('shop', { isPrefix: true, actions: ['pull', 'push'], image });
  const scope = access.scope(password);
  assert.ok(scope);
  assert.ok(scope.may('shop', 'push') && scope.may('shop/api', 'push') && scope.may('shop/api', 'pull'));
  assert.ok(!scope.may('shopping', 'push') && !scope.may('shop/api', 'delete'));
  assert.deepEqual([scope.images('shop/api'), scope.images('other')], [[image], []]);
});

test('a password is void after its time, ten minutes unless said', () => {
  let now = 0;
  const access = makePullAccess(() => now);
  const { password } = access.grant('a');
  const brief = access.grant('a', { lifetimeMs: 1_000 });
  now = 1_001;
  assert.equal(access.scope(brief.password), undefined);
  now = 600_000;
  assert.ok(access.scope(password)?.may('a', 'pull'));
  now = 600_001;
  assert.equal(access.scope(password), undefined);
});

test('beyond a thousand the oldest password goes', () => {
  const access = makePullAccess(() => 0);
  const first = access.grant('a');
  for (let at = 0; at < 1_000; at += 1) access.grant('b');
  assert.equal(access.scope(first.password), undefined);
});

test('/v2 asks for Basic, takes the token as a password, and nothing else', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  const ask = (authorization: string) => stack.ask('GET', '/v2/', undefined, { authorization });
  const none = await ask('');
  assert.equal(none.status, 401);
  assert.equal(none.headers.get('www-authenticate'), 'Basic realm="hermesh"');
  const basic = (password: string): string => `Basic ${Buffer.from(`pull:${password}`).toString('base64')}`;
  assert.equal((await ask(basic('wrong'))).status, 401);
  assert.equal((await ask(basic(stack.node.token))).status, 200);
  assert.equal((await ask(`Bearer ${stack.node.token}`)).status, 200);
  const missing = await stack.ask('GET', `/v2/a/manifests/sha256:${'0'.repeat(64)}`, undefined, {
    authorization: basic(stack.node.token),
  });
  assert.equal(missing.status, 404);
  assert.equal(missing.body.errors[0].code, 'MANIFEST_UNKNOWN');
});
