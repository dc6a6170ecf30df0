// What every implementation of the network seam keeps of answers that come in pieces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { identityOf } from '../support/constellation.ts';
import type { OpenWorld } from './network.contract.ts';

const bounds = { maxRequestBytes: 1_000, timeoutMs: 2_000 };
const limits = { maxResponseBytes: 1_000 };
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) });
const isCode =
  (...codes: string[]) =>
  (error: unknown): boolean =>
    error instanceof RegistryError && codes.includes(error.code);

/** Runs the suite for one implementation. */
export function piecesContract(name: string, world: OpenWorld): void {
  const pair = async () => {
    const stack = new AsyncDisposableStack();
    const at = stack.use(await world());
    const [one, two] = [identityOf('one'), identityOf('two')];
    const first = stack.use(await at.open(one));
    const second = stack.use(await at.open(two));
    first.setGate(() => 'member');
    second.setGate(() => 'member');
    return { first, second, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  };

  test(`${name}: an answer in pieces comes whole and in order, and no faster than it is read`, async () => {
    await using all = await pair();
    const { first, second } = all;
    let made = 0;
    second.serveStream('/pieces/1.0.0', { access: 'member', ...bounds }, async function* (request) {
      for (let at = 0; at < 256; at += 1) {
        made += 1;
        yield new Uint8Array(64 * 1024).fill(at ^ (request[0] ?? 0));
      }
    });
    await first.connect(second.stack, second.addresses(), soon());
    const options = { maxResponseBytes: 16 * 1024 * 1024, ...soon() };
    let at = 0;
    for await (const piece of first.requestStream(second.stack, '/pieces/1.0.0', new Uint8Array([7]), options)) {
      if (at === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      if (at === 0) assert.ok(made < 128, `${made} of 256 pieces were made for a reader that waits`);
      assert.ok(piece.every((byte, index) => byte === ((((at + index) >> 16) ^ 7) & 255)));
      at += piece.byteLength;
    }
    assert.equal(at, 256 * 64 * 1024);
  });

  test(`${name}: an answer in pieces that is cut short, too long or not for the asker throws`, async () => {
    await using all = await pair();
    const { first, second } = all;
    second.serveStream('/broken/1.0.0', { access: 'member', ...bounds }, async function* () {
      yield new Uint8Array(10);
      throw new Error('the disk is gone');
    });
    second.serveStream('/long/1.0.0', { access: 'member', ...bounds }, async function* () {
      yield new Uint8Array(2_000);
    });
    second.serveStream('/join/1.0.0', { access: 'invite', ...bounds }, async function* () {
      yield new Uint8Array(1);
    });
    await first.connect(second.stack, second.addresses(), soon());
    const read = (protocol: string) =>
      Array.fromAsync(first.requestStream(second.stack, protocol, new Uint8Array(), { ...limits, ...soon() }));
    await assert.rejects(read('/broken/1.0.0'));
    await assert.rejects(read('/long/1.0.0'), isCode('too-large'));
    await assert.rejects(read('/join/1.0.0'), isCode('refused'));
    await assert.rejects(read('/none/1.0.0'), isCode('refused'));
  });

  test(`${name}: who reads an answer in pieces no further ends it at its maker too`, async () => {
    await using all = await pair();
    const { first, second } = all;
    const ended = Promise.withResolvers<void>();
    second.serveStream('/endless/1.0.0', { access: 'member', ...bounds }, async function* (_, { signal }) {
      signal.addEventListener('abort', () => ended.resolve(), { once: true });
      while (!signal.aborted) yield new Uint8Array(64 * 1024);
    });
    await first.connect(second.stack, second.addresses(), soon());
    const options = { maxResponseBytes: 1e9, ...soon() };
    for await (const piece of first.requestStream(second.stack, '/endless/1.0.0', new Uint8Array(), options)) {
      if (piece.byteLength > 0) break;
    }
    await ended.promise;
  });
}
