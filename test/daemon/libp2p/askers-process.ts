// Sixty members in a process of their own that ask one stack at once, so that a test can stop them in the middle of it.
import { openLibp2pNetwork } from '#daemon/libp2p';
import type { Network } from '#registry';
import { identityOf, silentLog } from '../../support/constellation.ts';

const [server = '', address = '', count = '60', asks = '8'] = process.argv.slice(2);
const limit = { signal: AbortSignal.timeout(120_000), maxResponseBytes: 2_000_000 };
const networks: Network[] = [];
for (let at = 0; at < Number(count); at += 1) {
  const network = await openLibp2pNetwork({ identity: identityOf(`asker ${at}`), listen: [], log: silentLog });
  network.setGate(() => 'member');
  await network.connect(server, [address], limit);
  networks.push(network);
}
process.stdout.write('ready\n');
process.stdin.once('data', async () => {
  const all = networks.flatMap((network) =>
    Array.from({ length: Number(asks) }, () => network.request(server, '/large/1.0.0', new Uint8Array(1), limit)),
  );
  const settled = await Promise.allSettled(all);
  const answered = settled.filter(({ status }) => status === 'fulfilled').length;
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed) console.error(failed.reason);
  process.stdout.write(`answered ${answered}\n`);
});
process.stdin.on('end', () => process.exit(0));
