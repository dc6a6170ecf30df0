// The libp2p adapter keeps the contract of the seam.
import { openLibp2pNetwork } from '#daemon/libp2p';
import { networkContract } from '../../registry/network.contract.ts';
import { silentLog } from '../../support/constellation.ts';

networkContract('libp2p', async () => ({
  open: (identity) => openLibp2pNetwork({ identity, listen: ['/ip4/127.0.0.1/tcp/0'], log: silentLog }),
  [Symbol.asyncDispose]: async () => {},
}));
