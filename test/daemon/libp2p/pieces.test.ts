// The libp2p adapter keeps the contract of answers in pieces.
import { openLibp2pNetwork } from '#daemon/libp2p';
import { piecesContract } from '../../registry/pieces.contract.ts';
import { silentLog } from '../../support/constellation.ts';

piecesContract('libp2p', async () => ({
  open: (identity) => openLibp2pNetwork({ identity, listen: ['/ip4/127.0.0.1/tcp/0'], log: silentLog }),
  [Symbol.asyncDispose]: async () => {},
}));
