// Which Host and Origin may pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayPassHostAndOrigin } from '#mcp';

test('the names of loopback pass, at any port, and programs need no origin', () => {
  for (const host of ['localhost', 'localhost:8001', '127.0.0.1:1', '[::1]:8001', 'LOCALHOST:80']) {
    assert.equal(mayPassHostAndOrigin({ host }), true, host);
    assert.equal(mayPassHostAndOrigin({ host, origin: 'http://localhost:5173' }), true, host);
  }
});

test('another host does not pass, however it is written', () => {
  const hosts = [
    'evil.example',
    'localhost.evil.example',
    'localhost@evil.example',
    'evil.example/localhost',
    '127.0.0.2',
  ];
  for (const host of [
    ...hosts,
    'x@localhost',
    'localhost/',
    'localhost?',
    'localhost#',
    'localhost\\',
    '',
    ' ',
    '::1',
  ]) {
    assert.equal(mayPassHostAndOrigin({ host }), false, host);
  }
  assert.equal(mayPassHostAndOrigin({}), false, 'no host at all');
});

test('a page of another origin does not pass, nor one that hides its origin', () => {
  const origins = [
    'http://evil.example',
    'https://localhost.evil.example:8001',
    'null',
    '',
    'file://',
    'http://x@localhost',
  ];
  for (const origin of [...origins, 'chrome-extension://localhost']) {
    assert.equal(mayPassHostAndOrigin({ host: 'localhost:8001', origin }), false, origin);
  }
});

test('names that are allowed besides replace those of loopback', () => {
  const names = ['stack.example'];
  assert.equal(mayPassHostAndOrigin({ host: 'stack.example:8001', origin: 'https://stack.example' }, names), true);
  assert.equal(mayPassHostAndOrigin({ host: 'localhost:8001' }, names), false);
});
