// Passwords for a pull: for one repository, for ten minutes, and bounded in number.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePullAccess } from '#daemon/deploy';
import { Daemons } from '../../support/daemons.ts';

test('a password opens the repository that it was made for, and no other', () => {
  const access = makePullAccess(() => 0);
  const { password } = access.grant('shop/api');
  assert.ok(password.length >= 32);
  assert.ok(access.mayPull(password, 'shop/api') && access.isKnown(password));
  assert.ok(!access.mayPull(password, 'shop/redis'));
  assert.ok(!access.mayPull('', 'shop/api') && !access.isKnown(password.slice(1)));
});

test('a password is void after ten minutes', () => {
  let now = 0;
  const access = makePullAccess(() => now);
  const { password } = access.grant('a');
  now = 600_000;
  assert.ok(access.mayPull(password, 'a'));
  now = 600_001;
  assert.ok(!access.mayPull(password, 'a') && !access.isKnown(password));
});

test('beyond a thousand the oldest password goes', () => {
  const access = makePullAccess(() => 0);
  const first = access.grant('a');
  for (let at = 0; at < 1_000; at += 1) access.grant('b');
  assert.ok(!access.isKnown(first.password));
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
