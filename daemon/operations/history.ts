// Operations that look back: what happened on this stack, who asked for what, and whether that log is whole.
import { z } from 'zod';
import { declare } from './declare.ts';
import { table } from './table.ts';

const since = z.coerce.number().int().min(0).default(0).describe('only what came after this position');
const limit = z.coerce.number().int().min(1).max(500).default(100).describe('at most so many');

const event = z.object({
  position: z.int(),
  id: z.string(),
  source: z.string(),
  type: z.string(),
  time: z.string(),
  subject: z.string().optional(),
  data: z.unknown(),
});

const entry = z.object({
  sequence: z.int(),
  at: z.string(),
  principal: z.string(),
  operation: z.string(),
  outcome: z.enum(['allowed', 'denied', 'failed', 'done']),
  inputDigest: z.string(),
  rule: z.string(),
  hash: z.string(),
});

export const events = declare({
  name: 'events_list',
  title: 'List events',
  sentence: 'Lists what happened on this stack, oldest first, as CloudEvents.',
  input: z.object({ since, limit }),
  output: z.object({ events: z.array(event), position: z.int(), missed: z.boolean() }),
  hints: 'look',
  http: { method: 'GET', path: '/api/events' },
  command: { words: 'events', positional: [], examples: ['hermesh events', 'hermesh events --since 120 --json'] },
  text: ({ events: all, missed }) =>
    [
      ...(missed ? ['Older events are gone.'] : []),
      all.length === 0
        ? 'No events.'
        : table(
            ['POSITION', 'TIME', 'TYPE', 'SUBJECT'],
            all.map((one) => [String(one.position), one.time, one.type, one.subject ?? '-']),
          ),
    ].join('\n'),
  async run(context, { since: after, limit: most }) {
    const { events: all, position, missed } = context.events.read(after, most);
    return { events: [...all], position, missed };
  },
});

export const auditShow = declare({
  name: 'audit_show',
  title: 'Show the audit log',
  sentence: 'Shows who asked this stack for what, and what came of it, oldest first.',
  input: z.object({ since, limit }),
  output: z.object({ entries: z.array(entry) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/audit' },
  command: { words: 'audit show', positional: [], examples: ['hermesh audit show', 'hermesh audit show --since 40'] },
  text: ({ entries }) =>
    entries.length === 0
      ? 'No entries.'
      : table(
          ['SEQUENCE', 'TIME', 'PRINCIPAL', 'OPERATION', 'OUTCOME', 'RULE'],
          entries.map((one) => [String(one.sequence), one.at, one.principal, one.operation, one.outcome, one.rule]),
        ),
  run: async (context, { since: after, limit: most }) => ({ entries: [...context.audit.read(after, most)] }),
});

export const auditVerify = declare({
  name: 'audit_verify',
  title: 'Verify the audit log',
  sentence: 'Walks the whole audit log and names the first entry that was changed, removed or put elsewhere.',
  input: z.object({
    known: z
      .string()
      .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'SEQUENCE:HASH')
      .optional()
      .describe('SEQUENCE:HASH of an earlier verification, so that a cut of the end is found too'),
  }),
  output: z.object({
    intact: z.boolean(),
    sequence: z.int(),
    hash: z.string().optional(),
    reason: z.enum(['changed', 'missing', 'unchained', 'rewritten']).optional(),
  }),
  hints: 'look',
  http: { method: 'GET', path: '/api/audit/verification' },
  command: { words: 'audit verify', positional: [], examples: ['hermesh audit verify'] },
  tellsOfFailure: ({ intact }) => !intact,
  text: ({ intact, sequence, hash, reason }) =>
    intact
      ? `The audit log is whole: ${sequence} entries.\nKeep this elsewhere, to find a later cut: ${sequence}:${hash}`
      : `The audit log is broken at entry ${sequence}: ${reason}.`,
  async run(context, { known }) {
    const [sequence = '0', hash = ''] = known?.split(':') ?? [];
    const check = context.audit.verify(known === undefined ? undefined : { sequence: Number(sequence), hash });
    return check.intact ? { intact: true, ...check.head } : check;
  },
});
