// The operation behind `hermesh doctor`: what a running daemon knows of its own health, and whether an invite would do.
import { z } from 'zod';
import { checkProbe, checkRunning, checkSchema, sayChecks } from '#daemon/doctor';
import { declare } from './declare.ts';

export const doctor = declare({
  name: 'doctor',
  title: 'Look for faults',
  sentence: 'Looks at this stack for what is wrong, and says how to mend it; with a token, why joining would fail.',
  input: z.object({
    token: z.string().min(1).max(4096).optional().describe('an invite to try; it is not used up'),
  }),
  output: z.object({ well: z.boolean(), checks: z.array(checkSchema) }),
  hints: 'look',
  secrets: ['token'],
  http: { method: 'POST', path: '/api/doctor' },
  command: { words: 'doctor', positional: ['token'], examples: ['hermesh doctor', 'hermesh doctor TOKEN --json'] },
  tellsOfFailure: ({ well }) => !well,
  text: ({ checks }) => sayChecks(checks),
  async run({ registry, addresses, engineState }, { token }, { signal }) {
    const checks = await checkRunning({ registry, addresses: addresses(), engine: engineState() });
    if (token !== undefined) checks.push(await checkProbe(registry, token, signal));
    return { well: checks.every(({ state }) => state !== 'wrong'), checks };
  },
});
