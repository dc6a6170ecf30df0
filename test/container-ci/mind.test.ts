// Questions are understood in many wordings, and every sentence of an answer cites evidence that was read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../container-ci/evidence.ts';
import { type Intent, intents, understand } from '../../container-ci/intent.ts';
import { answer, render } from '../../container-ci/mind.ts';
import { at, factsOf } from './facts-of.ts';

const questions: readonly [string, Intent][] = [
  ['status', 'status'],
  ['How are you doing?', 'status'],
  ['what is running inside?', 'services'],
  ['which services do you have', 'services'],
  ['Are you healthy?', 'health'],
  ['why are you unhealthy?', 'trouble'],
  ["what's wrong with you", 'trouble'],
  ['is anything broken?', 'trouble'],
  ['Why did you restart?', 'crash'],
  ['why did the container crash', 'crash'],
  ['did it run out of memory / OOM?', 'crash'],
  ['show me the last logs', 'logs'],
  ['any errors in the logs?', 'errors'],
  ['which ports are you listening on', 'ports'],
  ['what do you depend on?', 'dependencies'],
  ['how much memory do you use', 'usage'],
  ['what image and version is this', 'image'],
  ['environment variables?', 'environment'],
  ['Who are you?', 'who'],
  ['help', 'help'],
];
for (const [question, intent] of questions) {
  test(`a question is understood: "${question}"`, () => assert.deepEqual(understand(question), { intent }));
}

test('each example of the help is understood as what it stands for', () => {
  for (const [intent, { example }] of Object.entries(intents))
    assert.deepEqual(understand(example), { intent }, example);
});

test('an ambiguous question is asked back, and one that is not understood gets what can be asked; neither reads anything', async () => {
  const never = async () => assert.fail('nothing is read');
  const back = await answer('ports or image', never);
  assert.equal(back.intent, 'ambiguous');
  assert.match(back.text, /^Which do you mean: .*"which ports listen\?".*\?$/);
  const unknown = await answer('colourless green ideas sleep furiously', never);
  assert.equal(unknown.intent, 'unknown');
  assert.match(unknown.text, /You can ask: .*"status"/);
});

test('every sentence about the container cites evidence, and every id that is cited exists', () => {
  const situations = [
    factsOf(),
    factsOf({
      logs: ['Error: connection refused', 'token=abc123secret'],
      dependencies: [{ container: 'redis', ci: 'redis-ci', status: 'stopped' }],
      health: { status: 'unhealthy', failures: 3, lastAnswer: { at, ok: false, said: 'GET :3000/: 503. Really.' } },
    }),
    factsOf({
      state: { status: 'exited', exitCode: 127, pid: undefined, finishedAt: new Date(at) },
      health: { status: 'stopped' },
      history: [{ at, type: 'die', exitCode: 127 }],
      logs: [],
    }),
    { ...factsOf(), state: undefined, sockets: undefined, usage: undefined, logs: undefined },
  ];
  for (const facts of situations) {
    for (const intent of Object.keys(intents) as Intent[]) {
      if (intent === 'help') continue;
      const { text, evidence } = render(intent, facts);
      const ids = new Set(evidence.map((one: Evidence) => one.id));
      const said = text.replace(/^\|.*\n/gm, '');
      const sentences = said.split(/(?<=\[e\d+\][.:])(?:\s|$)/).filter((sentence) => sentence !== '');
      assert.ok(sentences.length > 0 || facts.state === undefined, intent);
      for (const sentence of sentences) {
        const cited = [...sentence.matchAll(/\[(e\d+)\]/g)].map((match) => match[1] ?? '');
        if (facts.state !== undefined) assert.ok(cited.length > 0, `${intent}: ${sentence}`);
        for (const id of cited) assert.ok(ids.has(id), `${intent} cites ${id}`);
      }
    }
  }
});

test('what is wrong is answered with the cause first, and how to mend it', () => {
  const facts = factsOf({
    health: { status: 'unhealthy', failures: 3, lastAnswer: { at, ok: false, said: 'GET :3000/: 503, wanted 200' } },
    dependencies: [{ container: 'redis', ci: 'redis-ci', status: 'stopped' }],
  });
  const { text, findings } = render('trouble', facts);
  assert.match(
    text,
    /^Most likely, it depends on "redis", which is stopped \[e\d+\]\[e\d+\]\. To mend it, run the project/,
  );
  assert.match(text, /Also, its probe fails 3 times in a row: GET :3000\/: 503/);
  assert.equal(findings[0]?.code, 'dependency-stopped');
  assert.match(render('trouble', factsOf()).text, /^Nothing is wrong that can be seen \[e/);
});
