// Gossip lost wholly: whole daemons over the memory network, whose hub can lose all that is published. libp2p has no such switch.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemons } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

/** A round of anti-entropy is 15 s, give or take half of it; two of them bring everything to everybody. */
const roundsMs = 60_000;

test("four daemons whose gossip is lost wholly have one another's records within some rounds of anti-entropy (failure mode 6)", async () => {
  await using sky = new Daemons();
  const stacks = await sky.mesh('one', 'two', 'three', 'four');
  sky.hub.losesPublished = true;
  for (const stack of stacks) {
    const registered = await stack.ask('POST', '/api/register', {
      name: `of-${stack.name}`,
      type: 'test',
      endpoint: 'http://127.0.0.1:9',
    });
    assert.equal(registered.status, 200);
  }
  for (const stack of stacks) {
    await eventually(
      `"${stack.name}" has the components of all`,
      async () => {
        const { body } = await stack.ask('GET', '/api/records?kind=ci');
        const names = (body.records as { name: string }[]).map(({ name }) => name);
        return stacks.every(({ name }) => names.includes(`of-${name}`));
      },
      { timeoutMs: roundsMs, everyMs: 100 },
    );
  }
});
