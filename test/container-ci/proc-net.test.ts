// The kernel's socket tables are read as the kernel writes them: little-endian words, state 0A.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListening } from '../../container-ci/docker/proc-net.ts';

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state = '0A'): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 31528 1 0 100 0 0 10 0\n`;

test('addresses of both families are read, and only of sockets that listen', () => {
  assert.deepEqual(parseListening(head + row('0100007F:1F90') + row('00000000:0050', '01'), 'tcp'), [
    { protocol: 'tcp', address: '127.0.0.1', port: 8080 },
  ]);
  const six = (local: string): string | undefined => parseListening(head + row(`${local}:0050`), 'tcp6')[0]?.address;
  assert.equal(six('00000000000000000000000000000000'), '::');
  assert.equal(six('00000000000000000000000001000000'), '::1');
  assert.equal(six('0000000000000000FFFF00000100C90A'), '10.201.0.1');
  assert.equal(six('B80D0120000000000000000001000000'), '2001:db8::1');
  assert.equal(six('000080FE00000000FF005450B6DCE4FE'), 'fe80::5054:ff:fee4:dcb6');
});

test("the engine's own resolver is no socket of the container, and rubbish is passed over", () => {
  assert.deepEqual(parseListening(`${head}${row('0B00007F:B543')}nonsense\n\n`, 'tcp'), []);
});
