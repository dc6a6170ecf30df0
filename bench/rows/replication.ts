// The row of replication: a record written on one stack, until it can be read on another, over libp2p between processes.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openClient } from '../../daemon/client/index.ts';
import { startDaemon } from '../../test/support/daemon-process.ts';
import { eventually } from '../../test/support/deadline.ts';
import type { Row } from '../row.ts';

/** As many as the claim names. */
const writes = 200;

export const replicationRow: Row = {
  name: 'replication',
  claim: 'a record written on one stack until it can be read on another',
  unit: 'ms',
  figure: 'p99',
  limit: 300,
  async measure() {
    const flags = ['--engine', 'none', '--log', 'silent'];
    await using writer = await startDaemon('writer', { flags });
    await using reader = await startDaemon('reader', { flags });
    const { token } = await writer.json<{ token: string }>('hermesh', 'invite');
    await reader.json('hermesh', 'join', token);
    await eventually('the stacks see one another', async () =>
      (await reader.json<{ stacks: { liveness: { state: string } }[] }>('hermesh', 'stacks')).stacks.every(
        (one) => one.liveness.state === 'up',
      ),
    );
    const bearer = (await readFile(path.join(writer.home, 'token'), 'utf8')).trim();

    const stop = new AbortController();
    const arrived = new Map<string, PromiseWithResolvers<number>>();
    const from = openClient({ home: reader.home });
    const watching = (async () => {
      for await (const change of from.stream('/api/watch?kind=ci', { signal: stop.signal })) {
        arrived.get((change as { name: string }).name)?.resolve(performance.now());
      }
    })().catch(() => undefined);

    const samples: number[] = [];
    for (let index = 0; index < writes; index += 1) {
      const name = `bench-${index}`;
      const seen = Promise.withResolvers<number>();
      arrived.set(name, seen);
      const written = performance.now();
      const answer = await fetch(`${writer.announced.http}/api/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
        body: JSON.stringify({ name, version: '1', type: 'bench', endpoint: 'http://127.0.0.1:9' }),
      });
      if (!answer.ok) throw new Error(`The registration was refused: ${await answer.text()}`);
      const at = await Promise.race([
        seen.promise,
        new Promise<never>((_, reject) =>
          setTimeout(() => reject(new Error(`"${name}" did not arrive in 30 s`)), 30_000).unref(),
        ),
      ]);
      await from.call('GET', `/api/record?record=${encodeURIComponent(`ci/${name}`)}`);
      samples.push(at - written);
      arrived.delete(name);
      // Quiet moments of different lengths, so that first changes and followers are both measured.
      await new Promise((resolve) => setTimeout(resolve, (index * 37) % 300));
    }
    stop.abort();
    await watching;
    return { samples };
  },
};
