// Who a stack is: an id that contains its key, kept in a file that only its owner reads.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import nacl from 'tweetnacl';
import { isStackId, loadOrMakeIdentity, RegistryError, verifyBy } from '#registry';
import { identityOf } from '../support/constellation.ts';

test('an identity is made once, read again, and private', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'hermesh-identity-'));
  try {
    const made = await loadOrMakeIdentity(home);
    const read = await loadOrMakeIdentity(home);
    assert.equal(read.stack, made.stack);
    assert.deepEqual(read.box, made.box);
    assert.equal(statSync(path.join(home, 'identity.json')).mode & 0o777, 0o600);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('a file that cannot be read is never replaced', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'hermesh-identity-'));
  try {
    writeFileSync(path.join(home, 'identity.json'), '{"version":1');
    await assert.rejects(
      loadOrMakeIdentity(home),
      (error) => error instanceof RegistryError && error.code === 'identity-broken',
    );
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('the stack id is the peer id that libp2p gives the same key', async () => {
  const { seed, stack } = identityOf('one');
  assert.equal(stack, peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString());
});

test('a signature is verified by the key in the id, and by no other', () => {
  const [one, two] = [identityOf('one'), identityOf('two')];
  const message = Buffer.from('hello');
  const signature = one.sign(message);
  assert.equal(verifyBy(one.stack, message, signature), true);
  assert.equal(verifyBy(two.stack, message, signature), false);
  assert.equal(verifyBy(one.stack, Buffer.from('hullo'), signature), false);
  assert.equal(verifyBy(one.stack, message, signature.subarray(1)), false);
  assert.equal(verifyBy('12D3KooW', message, signature), false);
  assert.equal(isStackId('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'), false);
});

test('that a signature was found true once says nothing of another id, message or signature', () => {
  const one = identityOf('one');
  const message = Buffer.from('again');
  const signature = one.sign(message);
  for (const time of [1, 2]) assert.equal(verifyBy(one.stack, message, signature), true, `time ${time}`);
  const flipped = Uint8Array.from(signature, (byte, at) => (at === 0 ? byte ^ 1 : byte));
  assert.equal(verifyBy(one.stack, message, flipped), false);
  assert.equal(verifyBy(one.stack, Buffer.from('again '), signature), false);
  for (const other of [`${one.stack} `, one.stack.slice(1), identityOf('two').stack]) {
    assert.equal(verifyBy(other, message, signature), false, other);
  }
  const more = Array.from({ length: 5_000 }, (_, at) => Buffer.from(`message ${at}`));
  for (const each of more) assert.equal(verifyBy(one.stack, each, one.sign(each)), true);
  assert.equal(verifyBy(one.stack, message, signature), true, 'forgotten, and verified anew');
});

test('what is sealed to a stack opens with its box key', () => {
  const { box } = identityOf('one');
  const sender = nacl.box.keyPair();
  const nonce = new Uint8Array(24);
  const sealed = nacl.box(Buffer.from('secret'), nonce, box.publicKey, sender.secretKey);
  assert.equal(Buffer.from(nacl.box.open(sealed, nonce, sender.publicKey, box.secretKey) ?? []).toString(), 'secret');
});
