// A member whose answers and messages are spoilt on their way, in every protocol at once: the drivers stand, and catch up once they are true.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '#registry';
import { readValue, toBytes } from '../../registry/wire.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { besiege } from './besieged.ts';
import { runsOf, seed, watchFloating } from './fuzz.ts';
import { encode, oddValues, spoilBytes, spoilValue } from './mutate.ts';
import * as wares from './wares.ts';

test('a registry takes nothing from spoilt answers, goes on asking, and has all once they are true (failure mode 36)', async () => {
  const runs = runsOf(300);
  const chance = seededRandom(seed);
  const odd = oddValues(seed);
  const counts: Record<string, number> = {};
  let spoilt = 0;
  let rest: Uint8Array = new Uint8Array(8);
  using floating = watchFloating();
  for (let round = 0; spoilt < runs; round += 1) {
    await using besieged = await besiege(seed + round);
    const { registry, rogue, clock } = besieged;
    wares.addKey(rogue.identity);
    const before = spoilt;
    besieged.twist = ({ protocol, way }, bytes) => {
      if (chance() < 0.4) return bytes;
      spoilt += 1;
      const label = `${protocol.split('/')[2]} ${way}`;
      counts[label] = (counts[label] ?? 0) + 1;
      const value = readValue(bytes);
      const other = rest;
      rest = bytes;
      const kind = chance();
      if (kind < 0.2 || value === undefined) return spoilBytes(bytes, other, chance);
      if (kind < 0.6) return encode(spoilValue(value, odd, chance), chance, 0);
      return toBytes(wares.resignWithin(value, chance, odd));
    };
    // Bounded rounds: a registry that is cut off for an hour hears nothing more of this one.
    for (let step = 0; step < 60 && spoilt - before < 300; step += 1) {
      // What was signed again with its key is another history of its own: once it hears of that, it stops.
      if (isStopped(() => rogue.registry.write([{ kind: 'note', name: `n${step % 20}`, body: { text: `${step}` } }])))
        break;
      await besieged.connect().catch(() => undefined);
      await besieged.pass(1_000);
    }
    assert.deepEqual(besieged.faults, []);
    besieged.registry.write([{ kind: 'note', name: 'kept', body: { text: `${round}` } }]);
    // Its own key signed what was spoilt: the attacker hears of another history of its own, says so and stops.
    for (const fault of rogue.faults) assert.match(JSON.stringify(fault), /another stack runs with this identity/);
    assert.ok(clock.waiting < 200, `${clock.waiting} timers wait`);
    besieged.twist = (_, bytes) => bytes;
    const member = registry.member(rogue.identity.stack);
    // Statements and heads that it signed itself are true: it may have left or shown two histories.
    if (member?.liveness.state === 'left' || member?.liveness.state === 'revoked' || member?.quarantine) continue;
    if (isStopped(() => rogue.registry.write([{ kind: 'note', name: 'last', body: { text: 'true' } }]))) continue;
    const isThere = (): boolean =>
      registry.directory.list({ kind: 'note', name: 'last', includeUnreachable: true }).length > 0;
    for (let tries = 0; !isThere() && tries < 60; tries += 1) {
      await besieged.connect().catch(() => undefined);
      await besieged.pass(5_000);
    }
    const now = registry.member(rogue.identity.stack);
    assert.ok(
      isThere() || now?.quarantine !== undefined,
      `round ${round} of seed ${seed}: what is true is not taken any more`,
    );
  }
  process.stdout.write(
    `fuzz ${JSON.stringify({ target: 'answers and messages on their way', seed, spoilt, counts })}\n`,
  );
  await floating.none();
  for (const label of ['heads answer', 'feeds published', 'beats answer']) assert.ok((counts[label] ?? 0) > 0, label);
});

/** Whether a stack signs nothing more, as another one runs with its identity. */
function isStopped(write: () => void): boolean {
  try {
    write();
    return false;
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'quarantined') return true;
    throw error;
  }
}
