// An operation as a tool: what its schemas may be, and how problems are named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { Principal } from '#governance';
import { defineOperation, makeMcpServer, parseInput, problemsOf } from '#mcp';

function define<Input extends z.ZodObject, Output extends z.ZodType>(input: Input, output: Output) {
  return defineOperation<object, Principal>()({
    name: 'one',
    title: 'One',
    sentence: 'Does one thing.',
    input,
    output,
    hints: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
    http: { method: 'GET', path: '/api/one' },
    remote: false,
    text: () => '',
    run: async () => ({}) as never,
  });
}

function serve(...operations: Parameters<typeof makeMcpServer<object>>[0]['operations']) {
  return makeMcpServer<object>({
    operations,
    serverInfo: { name: 'hermesh', version: '0.0.0', title: 'Hermesh' },
    instructions: '',
    invoke: async () => ({}),
    log: { error: () => undefined, debug: () => undefined },
  });
}

test('a schema without a JSON form and two operations of one name stop the daemon at its start, not a call', async () => {
  await assert.rejects(serve(define(z.object({ at: z.date() }), z.object({}))), /Date cannot be represented/);
  await assert.rejects(serve(define(z.object({}), z.object({ n: z.bigint() }))), /BigInt cannot be represented/);
  const one = define(z.object({}), z.object({}));
  await assert.rejects(serve(one, one), /one name/);
});

test('defaults are filled in, and what the input says is converted once', () => {
  const input = z.strictObject({ text: z.string().transform((text) => text.length), times: z.int().default(2) });
  assert.deepEqual(parseInput(define(input, z.object({})), { text: 'abc' }), { input: { text: 3, times: 2 } });
});

test('a problem is named by its place, and keys with "/" and "~" are escaped in it', () => {
  const input = z.strictObject({ list: z.array(z.strictObject({ 'a/b~c': z.int() })) });
  const parsed = parseInput(define(input, z.object({})), { list: [{ 'a/b~c': 1 }, { 'a/b~c': 'x', more: 1 }] });
  assert.ok('problems' in parsed);
  assert.deepEqual(parsed.problems.map(({ pointer }) => pointer).toSorted(), ['/list/1/a~1b~0c', '/list/1/more']);
});

test('at most 20 problems are named, however many there are', () => {
  const parsed = z.array(z.int()).safeParse(Array.from({ length: 1000 }, () => 'x'));
  assert.ok(parsed.error);
  assert.equal(problemsOf(parsed.error).length, 20);
});
