// Rows of resident memory, 60 s after a daemon is ready: meshed with two others, its engine connected, with and without containers.
import { readFile } from 'node:fs/promises';
import { type DaemonProcess, startDaemon } from '../../test/support/daemon-process.ts';
import { eventually } from '../../test/support/deadline.ts';
import { callEngine, type PrivateEngine, startPrivateEngine } from '../../test/support/private-engine.ts';
import { loadSmallImage, makeSmallImage } from '../../test/support/small-image.ts';
import type { Row } from '../row.ts';

const settleMs = 60_000;
const containers = 3;

let measured: Promise<{ readonly without: number[]; readonly watching: number[] }> | undefined;

export const memoryRows: readonly Row[] = [
  {
    name: 'memory',
    claim: 'resident 60 s after ready: meshed with two others, engine connected, no containers',
    unit: 'MB',
    figure: 'median',
    limit: 160,
    measure: async (rounds, say) => ({ samples: (await both(rounds, say)).without }),
  },
  {
    name: 'memory-watching',
    claim: 'the same with three containers watched',
    unit: 'MB',
    figure: 'median',
    limit: 180,
    measure: async (rounds, say) => ({ samples: (await both(rounds, say)).watching }),
  },
];

/** Both are measured side by side, since each round takes a minute. */
function both(rounds: number, say: (text: string) => void) {
  measured ??= measure(rounds, say);
  return measured;
}

async function measure(rounds: number, say: (text: string) => void) {
  await using idle = await startPrivateEngine({ name: 'bench-idle' });
  await using busy = await startPrivateEngine({ name: 'bench-busy' });
  await runContainers(busy);
  const without: number[] = [];
  const watching: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await using parts = new AsyncDisposableStack();
    const start = async (name: string, engine?: PrivateEngine): Promise<DaemonProcess> => {
      const flags = ['--log', 'silent', '--engine', engine ? 'docker' : 'none'];
      const environment: Record<string, string> = engine ? { DOCKER_HOST: `unix://${engine.socket}` } : {};
      return parts.use(await startDaemon(name, { flags, environment }));
    };
    const [one, two, three] = [await start('idle', idle), await start('busy', busy), await start('third')];
    const { token } = await one.json<{ token: string }>('hermesh', 'invite', '--uses', '2');
    await two.json('hermesh', 'join', token);
    await three.json('hermesh', 'join', token);
    await eventually(
      'three CIs are seen',
      async () => {
        const { cis } = await one.json<{ cis: { here: number; mesh: number } }>('hermesh', 'status');
        return cis.mesh === containers + 3;
      },
      { timeoutMs: 30_000 },
    );
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    without.push(await residentMegabytes(one.pid));
    watching.push(await residentMegabytes(two.pid));
    say(
      `round ${round + 1} of ${rounds}: ${without.at(-1)?.toFixed(1)} MB, watching three ${watching.at(-1)?.toFixed(1)} MB`,
    );
    // The next round's stacks are others, and an engine serves one.
    for (const engine of [idle, busy]) await callEngine(engine.socket, 'DELETE', '/volumes/hermesh-owner');
  }
  return { without, watching };
}

async function runContainers(engine: PrivateEngine): Promise<void> {
  const image = await makeSmallImage({
    name: 'bench',
    command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done'],
  });
  await loadSmallImage(engine.socket, image);
  for (let index = 0; index < containers; index += 1) {
    const body = Buffer.from(JSON.stringify({ Image: image.tag, HostConfig: { NetworkMode: 'none' } }));
    const made = JSON.parse(
      await callEngine(engine.socket, 'POST', `/containers/create?name=bench-${index}`, body, 'application/json'),
    ) as { Id: string };
    await callEngine(engine.socket, 'POST', `/containers/${made.Id}/start`);
  }
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000;
}
