// One member in a process of its own that listens to a topic, so that a test can stop it: says where it is and what it hears.
import { openLibp2pNetwork } from '#daemon/libp2p';
import { identityOf, silentLog } from '../../support/constellation.ts';

const listen = ['/ip4/127.0.0.1/tcp/0'];
const network = await openLibp2pNetwork({ identity: identityOf('reader'), listen, log: silentLog });
network.setGate(() => 'member');
network.subscribe('news', (message) => {
  process.stdout.write(`${JSON.stringify({ heard: message.byteLength })}\n`);
  return 'accept';
});
process.stdout.write(`${JSON.stringify({ addresses: network.addresses() })}\n`);
process.stdin.on('end', () => void network[Symbol.asyncDispose]()).resume();
