// The row of what a mesh costs at rest: what goes through the network of each of 32 stacks while nothing changes.
import { setTimeout as pause } from 'node:timers/promises';
import { startFleet } from '../../test/support/fleet.ts';
import { openTestNetwork, whyNoNetworks } from '../../test/support/namespaces.ts';
import { quantile, type Row } from '../row.ts';

const size = 32;
/** What joining left to be told is told by then. */
const settleMs = 60_000;
/** Several rounds of anti-entropy of each. */
const measureMs = 120_000;

export const restRow: Row = {
  name: 'rest',
  claim: `${size} stacks at rest: bytes a second of the busiest, the busier way, headers included`,
  unit: 'KB/s',
  figure: 'worst',
  limit: 3,
  async measure(_rounds, say) {
    const why = whyNoNetworks();
    if (why !== undefined) throw new Error(`Cannot count what goes over a network: ${why}`);
    await using network = await openTestNetwork(size);
    const names = Array.from({ length: size }, (_, index) => `stack-${index}`);
    await using _fleet = await startFleet(names, { hosts: network.hosts, start: { flags: ['--log', 'warn'] }, say });
    await pause(settleMs);
    const before = await Promise.all(network.hosts.map((host) => host.traffic()));
    const began = performance.now();
    await pause(measureMs);
    const after = await Promise.all(network.hosts.map((host) => host.traffic()));
    const seconds = (performance.now() - began) / 1000;
    const rate = (way: 'sentBytes' | 'receivedBytes'): number[] =>
      after.map((traffic, index) => (traffic[way] - (before[index]?.[way] ?? 0)) / seconds / 1000);
    const [sent, received] = [rate('sentBytes'), rate('receivedBytes')];
    say(
      `half send at most ${quantile(sent, 0.5).toFixed(2)} KB/s and receive at most ${quantile(received, 0.5).toFixed(2)} KB/s`,
    );
    return { samples: sent.map((one, index) => Math.max(one, received[index] ?? 0)) };
  },
};
