// The twin of the transport keeps the contract of the seam.
import { MemoryHub } from '#registry';
import { networkContract } from './network.contract.ts';

networkContract('memory', async () => {
  const hub = new MemoryHub();
  return { open: async (identity) => hub.open(identity), [Symbol.asyncDispose]: async () => {} };
});
