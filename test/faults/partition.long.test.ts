// A partition that outlasts every connection and most pauses between dials.
import { test } from 'node:test';
import { whyNoNetworks } from '../support/namespaces.ts';
import { partitionFor } from './partitions.ts';

test('a mesh that was cut in two for 3 minutes has every record everywhere again, once, with no manual step (failure mode 7)', {
  skip: whyNoNetworks() ?? false,
}, async (t) => {
  const { healedMs } = await partitionFor(180_000);
  t.diagnostic(`${Math.round(healedMs)} ms after the network was mended, each stack showed all`);
});
