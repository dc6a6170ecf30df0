// What fuzzing found, each as the input that showed it; none of it comes again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { extendRoster, readRoster, rightful } from '../../registry/roster/roster.ts';
import { makeStatement, type Payload, verifyStatement } from '../../registry/roster/statement.ts';
import { fromBytes, toBytes } from '../../registry/wire.ts';
import { besiege, refusalOf } from './besieged.ts';
import { keptMb } from './fuzz.ts';
import { follows } from './outside.ts';
import { members, mesh, owner, statements } from './wares.ts';

test('bytes in place of a mark are refused as a request that cannot be read, and do not break the server of zones (failure mode 1)', async () => {
  await using besieged = await besiege(1);
  for (const have of [[new Uint8Array(4)], [{ 0: 'x' }], new Uint8Array(3)]) {
    const request = toBytes({ have, summaries: [] });
    assert.equal(await refusalOf(besieged.ask('/hermesh/zone/1.0.0', request)), 'refused');
  }
});

test('bytes that a schema stumbles over are of another shape (failure mode 1)', () => {
  const schema = z.strictObject({ list: z.array(z.number()).readonly() });
  assert.deepEqual(fromBytes(schema, toBytes({ list: [1] }), 100), { list: [1] });
  assert.equal(fromBytes(schema, toBytes({ list: Uint8Array.of(1) }), 100), undefined);
});

test('a request of another form is refused under a code by every server of a registry', async () => {
  await using besieged = await besiege(2);
  for (const word of ['heads', 'evidence', 'roster', 'feed', 'trie', 'beats', 'zone', 'record']) {
    await besieged.connect();
    const request = toBytes({ none: word });
    assert.equal(await refusalOf(besieged.ask(`/hermesh/${word}/1.0.0`, request)), 'refused', word);
  }
});

test('a certificate that comes after the leave that gives it up is given up, in a roster that grew as in one that is read', () => {
  const one = members[0] ?? owner;
  const certify = (notBefore: number) => {
    const about = { mesh, stack: one.stack, name: 'm0', role: 'member', x25519: one.box.publicKey } as const;
    const payload: Payload = { type: 'certificate', ...about, notBefore, notAfter: notBefore + 1_000_000 };
    return makeStatement(payload, owner);
  };
  const [first, renewed] = [certify(1_000), certify(2_000)];
  const leave = makeStatement({ type: 'leave', mesh, certificates: [first.id, renewed.id], at: 9_000 }, one);
  const known = [...statements.slice(0, 1), first];
  assert.deepEqual(rightful(mesh, known, [leave]), [leave]);
  const before = [...known, leave];
  const fresh = rightful(mesh, before, [renewed]);
  const all = [...before, ...fresh];
  const [grown, whole] = [extendRoster(readRoster(mesh, before), fresh, all), readRoster(mesh, all)];
  assert.equal(grown.digest, whole.digest);
  assert.equal(whole.memberships.get(one.stack)?.state, 'left');
  assert.deepEqual(grown.memberships.get(one.stack), whole.memberships.get(one.stack));
});

test('a WebSocket for what is no address is refused as the fault of who asks', async () => {
  await using parts = new AsyncDisposableStack();
  const target = await follows(parts);
  // The first of the chances makes it a WebSocket, the second one leaves out the path.
  for (const rest of ['/', '/[', '//', '/%zz:99999']) {
    const chances = [0.1, 0.9];
    assert.equal(await target.take(Buffer.from(rest), () => chances.shift() ?? 0), 'refused', rest);
  }
});

test('long statements that a member makes up are not kept in memory once they were verified', async () => {
  const stack = members[0]?.stack ?? '';
  const survivors = Array.from({ length: 100 }, (_, at) => at.toString(16).padStart(64, '0'));
  const before = await keptMb();
  for (let at = 0; at < 3_000; at += 1) {
    const { wire } = makeStatement({ type: 'revocation', mesh, stack, at, survivors }, owner);
    assert.ok(verifyStatement(new Uint8Array(wire)));
  }
  const grownMb = (await keptMb()) - before;
  assert.ok(grownMb < 8, `${grownMb} MB are kept`);
});
