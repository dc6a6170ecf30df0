// Registrations that were acknowledged are there after the process was killed, whole: the registration and its record.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../support/daemon-process.ts';
import { eventually } from '../support/deadline.ts';
import { seededRandom } from '../support/seeded-random.ts';

const rounds = 3;
const connections = 16;

/** Registers one after the other until the connection breaks; gives the names that were acknowledged. */
async function registerUntilCut(url: string, token: string, prefix: string, acknowledged: Set<string>): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  for (let at = 0; ; at += 1) {
    const name = `${prefix}-${at}`;
    const body = JSON.stringify({ name, version: '1', type: 'x', endpoint: 'http://127.0.0.1:9' });
    const status = await new Promise<number | undefined>((resolve) => {
      const asked = request(`${url}/api/register`, { method: 'POST', agent, headers }, (answer) => {
        answer
          .resume()
          .once('end', () => resolve(answer.statusCode))
          .once('error', () => resolve(undefined));
      });
      asked.once('error', () => resolve(undefined)).end(body);
    });
    if (status !== 200) return agent.destroy();
    acknowledged.add(name);
  }
}

test('a daemon killed under a load of registrations loses none that it acknowledged and has none by half (failure mode 21)', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'hermesh-crash-'));
  const random = seededRandom(21);
  const acknowledged = new Set<string>();
  try {
    for (let round = 0; round < rounds; round += 1) {
      const daemon = await startDaemon('berlin', { home, flags: ['--engine', 'none', '--log', 'silent'] });
      const token = (await readFile(path.join(home, 'token'), 'utf8')).trim();
      const before = acknowledged.size;
      const enough = before + 30 + Math.floor(random() * 200);
      const load = Array.from({ length: connections }, (_, at) =>
        registerUntilCut(daemon.announced.http, token, `r${round}-c${at}`, acknowledged),
      );
      await eventually('some are acknowledged', () => acknowledged.size >= enough, { everyMs: 1, timeoutMs: 30_000 });
      await daemon.end('SIGKILL');
      await Promise.all(load);

      await using again = await startDaemon('berlin', { home, flags: ['--engine', 'none', '--log', 'silent'] });
      const answer = await fetch(`${again.announced.http}/api/components`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { components } = (await answer.json()) as { components: { name: string }[] };
      const { records } = await again.json<{ records: { name: string; body: { type: string } }[] }>(
        'hermesh',
        'ls',
        'ci',
      );
      const registered = components.map(({ name }) => name).sort();
      const published = records.filter(({ body }) => body.type === 'x').map(({ name }) => name);
      assert.deepEqual(published.sort(), registered, 'a registration and its record stand or fall together');
      const there = new Set(registered);
      assert.deepEqual(
        [...acknowledged].filter((name) => !there.has(name)),
        [],
        `round ${round}`,
      );
      assert.ok(registered.length - acknowledged.size <= (round + 1) * connections, 'no more than were on their way');
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
