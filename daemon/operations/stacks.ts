// Operations on single stacks: pardoning one, adopting what one left, and taking this one out of new work.
import { z } from 'zod';
import type { Registry } from '#registry';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';

const stack = z.string().min(1).max(128).describe('its name or id');

export const pardon = declare({
  name: 'stack_pardon',
  title: 'Pardon a stack',
  sentence: 'Takes the feed of a quarantined stack again, from its next epoch on.',
  input: z.object({ stack }),
  output: z.object({ stack: z.string(), name: z.string(), counter: z.int() }),
  hints: 'change',
  changesMembership: true,
  http: { method: 'POST', path: '/api/stacks/:stack/pardon' },
  command: { words: 'stacks pardon', positional: ['stack'], examples: ['hermesh stacks pardon berlin'] },
  text: ({ name, counter }) => `Pardoned ${name}: its feed is taken again from an epoch above ${counter}.`,
  async run({ registry, deed }, { stack: label }, call) {
    const within = (): void => deed(call, { type: 'stack.pardoned', subject: idOf(registry, label) }, () => undefined);
    const pardoned = registry.pardon(label, { within });
    return { ...pardoned, name: registry.member(pardoned.stack)?.name ?? label };
  },
});

export const adopt = declare({
  name: 'stack_adopt',
  title: 'Adopt what a stack left',
  sentence: 'Takes over the records that a stack left which is gone; bare names then mean the copies of this stack.',
  input: z.object({ stack }),
  output: z.object({ stack: z.string(), name: z.string(), records: z.int() }),
  hints: 'change',
  changesMembership: true,
  http: { method: 'POST', path: '/api/stacks/:stack/adoption' },
  command: { words: 'stacks adopt', positional: ['stack'], examples: ['hermesh stacks adopt berlin'] },
  text: ({ name, records }) => `Adopted ${records} ${records === 1 ? 'record' : 'records'} of ${name}.`,
  async run({ registry, deed }, { stack: label }, call) {
    const within = (): void => deed(call, { type: 'stack.adopted', subject: idOf(registry, label) }, () => undefined);
    const adopted = registry.adopt(label, { within });
    return { ...adopted, name: registry.member(adopted.stack)?.name ?? label };
  },
});

export const drain = declare({
  name: 'stack_drain',
  title: 'Drain this stack',
  sentence: 'Says that this stack takes no new work, or, with end, that it does again; what runs goes on.',
  input: z.object({
    end: z.boolean().default(false).describe('take new work again'),
    why: z.string().min(1).max(200).optional().describe('what the others are told'),
  }),
  output: z.object({ draining: z.boolean(), since: z.string().optional(), why: z.string().optional() }),
  hints: 'change',
  http: { method: 'POST', path: '/api/drain' },
  command: {
    words: 'drain',
    positional: [],
    examples: ['hermesh drain --why "new disk"', 'hermesh drain --end'],
  },
  text: ({ draining, since }) =>
    draining ? `Draining since ${since}. To take work again: hermesh drain --end` : 'Taking new work.',
  async run({ registry, deed }, { end, why }, call) {
    const [own] = registry.directory.list<StackBody>({ kind: 'stack', stack: registry.stack });
    if (!own) throw new DaemonError('not-found', 'Cannot drain this stack: it has not said what it is yet');
    const { draining: before, ...rest } = own.body;
    const now = end
      ? undefined
      : { since: before?.since ?? registry.time().now, ...(why === undefined ? {} : { why }) };
    const body = now ? { ...rest, draining: now } : rest;
    const type = end ? 'stack.undrained' : 'stack.draining';
    deed(call, { type, subject: registry.stack }, () => registry.write([{ kind: 'stack', name: own.name, body }]));
    return now
      ? { draining: true, since: new Date(now.since).toISOString(), ...(now.why === undefined ? {} : { why: now.why }) }
      : { draining: false };
  },
});

type StackBody = { readonly draining?: { readonly since: number; readonly why?: string } };

function idOf(registry: Registry, label: string): string {
  return registry.members().find(({ name }) => name === label)?.stack ?? label;
}
