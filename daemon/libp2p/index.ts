// The door of the libp2p wing: the registry's network over TCP, Noise and yamux.
export { requestWithKey } from './dial.ts';
export type { Libp2pOptions } from './network.ts';
export { openLibp2pNetwork } from './network.ts';
