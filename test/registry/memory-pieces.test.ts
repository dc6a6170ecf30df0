// The twin of the transport keeps the contract of answers in pieces.
import { MemoryHub } from '#registry';
import { piecesContract } from './pieces.contract.ts';

piecesContract('memory', async () => {
  const hub = new MemoryHub();
  return { open: async (identity) => hub.open(identity), [Symbol.asyncDispose]: async () => {} };
});
