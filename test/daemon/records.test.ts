// Records as people and programs read them: of stacks that are away, and with bodies that would write over a terminal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemons } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';

const body = (type: string) => ({ name: 'n', type, capabilities: ['gpu'], health: 'healthy', services: [] });

test('records of a stack that is away are shown where they are asked for, with its state', async () => {
  await using daemons = new Daemons();
  const [berlin, paris] = await daemons.mesh('berlin', 'paris');
  assert.ok(berlin && paris);
  paris.node.context.registry.write([{ kind: 'ci', name: 'far', body: body('x') }]);
  await eventually('it arrived', async () => (await berlin.ask('GET', '/api/record?record=ci/far')).status === 200);
  daemons.hub.cut(berlin.node.context.registry.stack, paris.node.context.registry.stack);
  const gone = await eventually('it is left out', async () => {
    const answer = await berlin.ask('GET', '/api/record?record=ci/far');
    return answer.status === 404 && answer;
  });
  assert.equal(gone.body.error.mend, 'hermesh ls ci --all');
  const { body: found } = await berlin.ask('GET', '/api/record?record=ci/far&all=true');
  assert.notEqual(found.state ?? 'up', 'up');
  assert.deepEqual(found.claimants, ['far@paris']);
  const names = async (place: string) =>
    (await berlin.ask('GET', place)).body.records.map(({ name }: { name: string }) => name);
  assert.deepEqual(await names('/api/records?kind=ci'), ['berlin']);
  assert.deepEqual(await names('/api/records?kind=ci&all=true'), ['berlin', 'far', 'paris']);
  assert.deepEqual(await names(`/api/records?all=true&where=${encodeURIComponent('state != "up" && kind == "ci"')}`), [
    'far',
    'paris',
  ]);
  const wrong = await berlin.ask('GET', '/api/records?all=maybe');
  assert.equal(wrong.status, 422);
});

test('a list for people writes over no line of a terminal, whatever a body holds (failure mode 1)', async () => {
  await using daemons = new Daemons();
  const stack = await daemons.open('berlin');
  stack.node.context.registry.write([{ kind: 'ci', name: 'odd', body: body('x\u001b[2J\r\nfaked') }]);
  const { status, body: text } = await stack.ask('GET', '/api/records?kind=ci', undefined, { accept: 'text/plain' });
  assert.equal(status, 200);
  assert.doesNotMatch(String(text), /[^\P{Cc}\n]/u);
  assert.equal(String(text).trim().split('\n').length, 3);
});
