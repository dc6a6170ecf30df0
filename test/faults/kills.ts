// The same rounds of kill -9 for the sample and, many more of them, for the long lane.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { Constellation, converge, identityOf, join, notes } from '../support/constellation.ts';
import { openRegistrar, seeOneAnother, showComponents, startFleet } from '../support/fleet.ts';

const script = path.join(import.meta.dirname, 'writer-process.ts');
/** From the first acknowledged write; long enough for some hundred of them. */
const longestRunMs = 120;
/** Every so many rounds the process is killed at some moment of its start instead. */
const killInStartEvery = 5;
const startMs = 600;

interface Said {
  readonly ready?: boolean;
  readonly names?: readonly string[];
  readonly place: string;
  readonly hash: string;
}

/**
 * Kills a bare store at moments of chance, over and over on one file: each note that was acknowledged is there after it,
 * no place of the feed ever has two heads, and a peer that takes the feed whole finds records and head in agreement.
 */
export async function killStore(rounds: number): Promise<{ readonly writes: number }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-kills-'));
  try {
    const file = path.join(folder, 'home.db');
    const acknowledged = new Set<string>();
    const heads = new Map<string, string>();
    let writes = 0;
    for (let round = 0; round < rounds; round += 1) {
      const inStart = round % killInStartEvery === killInStartEvery - 1;
      const said = await runAndKill([file, `${round * 10_000}`], inStart ? randomInt(startMs) : undefined);
      for (const { names, place, hash } of said) {
        assert.equal(heads.get(place) ?? hash, hash, `two heads at ${place}`);
        heads.set(place, hash);
        for (const name of names ?? []) acknowledged.add(name);
        if (names) writes += 1;
      }
      // What the killed process left is read back by one that lives; a peer verifies it now and then, since that takes all.
      const isLast = round === rounds - 1;
      await using sky = new Constellation({ antiEntropyMs: 50 });
      const writer = await sky.open('writer', { identity: identityOf('writer'), file });
      const kept = notes(writer);
      const names = new Set(kept.map((note) => note.slice(0, note.indexOf('='))));
      const lost = [...acknowledged].filter((name) => !names.has(name));
      assert.deepEqual(lost, [], `round ${round}: acknowledged and lost`);
      if (!isLast && round % 25 !== 0) continue;
      const peer = await sky.open('peer');
      await join(peer, writer);
      await converge([peer], kept, 30_000);
      assert.deepEqual(peer.registry.quarantined(), [], 'the peer saw two histories');
      await writer.registry.leave();
    }
    return { writes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs the writer until it is killed, `afterMs` after its spawn or some time after its first write; gives what it said. */
async function runAndKill(words: readonly string[], afterMs: number | undefined): Promise<readonly Said[]> {
  const child = spawn(process.execPath, [script, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: Said[] = [];
  const written = Promise.withResolvers<void>();
  const lines = createInterface({ input: child.stdout }).on('line', (line) => {
    // The kill may cut the last line; what it says was not told whole, so it isn't acknowledged.
    if (!line.endsWith('}')) return;
    const one = JSON.parse(line) as Said;
    said.push(one);
    if (one.names) written.resolve();
  });
  const ended = new Promise<void>((resolve) => lines.once('close', resolve));
  child.once('exit', (code) => {
    if (code !== null) written.reject(new Error(`The writer ended by itself with ${code}`));
  });
  if (afterMs === undefined) {
    await written.promise;
    await pause(randomInt(longestRunMs));
  } else {
    written.promise.catch(() => undefined);
    await pause(afterMs);
  }
  child.kill('SIGKILL');
  await ended;
  return said;
}

/**
 * Kills a daemon under registrations over HTTP, the last one right after its acknowledgement: after each restart all that
 * was acknowledged is there, and reaches the other stack.
 */
export async function killDaemon(rounds: number): Promise<{ readonly writes: number }> {
  await using fleet = await startFleet(['killed', 'witness']);
  const [killed, witness] = fleet.stacks;
  assert.ok(killed && witness);
  const acknowledged: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const unanswered = new Set<string>();
    let isOver = false;
    const writers = [0, 1, 2, 3].map(async (writer) => {
      using registrar = openRegistrar(killed.home);
      for (let index = 0; !isOver; index += 1) {
        const name = `r${round}-${writer}-${index}`;
        try {
          await registrar.register(name);
        } catch {
          // It was killed before it answered: it may be kept or not, and isn't counted.
          unanswered.add(name);
          return;
        }
        acknowledged.push(name);
        // A stack serves 1,000 registrations; each round has its share of them.
        if (index >= 900 / (4 * rounds)) return;
      }
    });
    await pause(randomInt(250));
    isOver = round % 2 === 1;
    if (isOver) await Promise.all(writers);
    await killed.kill('SIGKILL');
    await Promise.all(writers);
    await killed.start();
    const shown: readonly string[] = await killed.components();
    const lost = acknowledged.filter((name) => !shown.includes(name));
    assert.deepEqual(lost, [], `round ${round}: acknowledged and lost`);
    acknowledged.push(...shown.filter((name) => unanswered.has(name)));
    await seeOneAnother([killed, witness]);
    await showComponents([killed, witness], acknowledged);
  }
  return { writes: acknowledged.length };
}
