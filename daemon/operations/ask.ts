// Operations on CIs: listing them and asking them, wherever they are.
import { z } from 'zod';
import { answerSchema } from '../answer.ts';
import { declare } from './declare.ts';
import { table } from './table.ts';

const ci = z.object({
  name: z.string(),
  stack: z.string(),
  stackName: z.string(),
  type: z.string(),
  health: z.string(),
  description: z.string().optional(),
  services: z.array(z.object({ name: z.string(), port: z.int().optional(), confidence: z.number() })),
  container: z
    .object({ id: z.string(), name: z.string(), image: z.string(), project: z.string().optional() })
    .partial()
    .optional(),
  unauthenticated: z.boolean().optional(),
});

export const listCis = declare({
  name: 'ci_list',
  title: 'List CIs',
  sentence: 'Lists the companion intelligences of the mesh with what they know of their containers.',
  input: z.object({ type: z.string().max(40).optional().describe('container, tekton, or what a CI said of itself') }),
  output: z.object({ cis: z.array(ci) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/cis' },
  command: { words: 'list', positional: [], program: 'aish', examples: ['aish list', 'aish list type container'] },
  text: ({ cis }) =>
    cis.length === 0
      ? 'No CIs.'
      : table(
          ['CI', 'HEALTH', 'TYPE', 'STACK', 'SERVICES'],
          cis.map((one) => [
            one.name,
            one.health,
            one.unauthenticated ? `${one.type} (unauthenticated)` : one.type,
            one.stackName,
            one.services.map(({ name, port }) => (port ? `${name}:${port}` : name)).join(', ') || '-',
          ]),
        ),
  async run({ registry }, { type }) {
    const names = new Map(registry.members().map((one) => [one.stack, one.name]));
    const all = registry.directory.list({ kind: 'ci' }).map((one) => ({
      ...(one.body as z.input<typeof ci>),
      name: one.name,
      stack: one.stack,
      stackName: names.get(one.stack) ?? one.stack,
    }));
    return { cis: type === undefined ? all : all.filter((one) => one.type === type) };
  },
});

export const ask = declare({
  name: 'ci_ask',
  title: 'Ask a CI',
  sentence:
    'Asks a companion intelligence a question; it answers with the evidence it read, from whichever stack it is on.',
  input: z.object({
    ci: z.string().min(1).max(256).describe('its name, or NAME@STACK'),
    question: z.string().min(1).max(4000).describe('such as "status" or "why did you restart?"'),
  }),
  output: answerSchema,
  hints: 'look',
  remote: true,
  http: { method: 'POST', path: '/api/cis/:ci/ask' },
  command: {
    words: 'ask',
    positional: ['ci', 'question'],
    program: 'aish',
    rest: true,
    examples: ['aish redis-ci "status"', 'aish api-ci@berlin "what is wrong?"'],
  },
  text: (answer) =>
    [
      answer.text,
      ...(answer.evidence.length > 0
        ? ['', ...answer.evidence.map((one) => `[${one.id}] ${one.what}, ${one.source}`)]
        : []),
    ].join('\n'),
  run: (context, { ci: name, question }, call) => context.cis.ask(name, question, call),
});
