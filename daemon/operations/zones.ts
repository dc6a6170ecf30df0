// Zones of a large mesh: what each says of itself, and how old that is.
import { z } from 'zod';
import type { Registry } from '#registry';
import { declare } from './declare.ts';
import { age, table } from './table.ts';

export const zone = z.object({
  zone: z.string().describe('its name; empty for the one that has none'),
  own: z.boolean(),
  stacks: z.int(),
  up: z.int().optional(),
  down: z.int().optional(),
  records: z.int().optional(),
  kinds: z.record(z.string(), z.int()).optional(),
  heardAt: z.string().optional(),
  stale: z.boolean().describe('nothing was heard of it lately'),
  gateways: z.array(z.string()).describe('the stacks that speak for it, by name'),
});

export const zones = declare({
  name: 'zones_list',
  title: 'Zones of the mesh',
  sentence: 'Lists the zones of the mesh with what their gateways say of them, and when that was heard.',
  input: z.object({}),
  output: z.object({ zones: z.array(zone) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/zones' },
  command: { words: 'zones', positional: [], examples: ['hermesh zones', 'hermesh zones --json'] },
  text: ({ zones: all }) =>
    table(
      ['ZONE', 'STACKS', 'UP', 'DOWN', 'RECORDS', 'HEARD', 'GATEWAYS'],
      all.map((one) => [
        sayZone(one),
        `${one.stacks}`,
        `${one.up ?? '-'}`,
        `${one.down ?? '-'}`,
        `${one.records ?? '-'}`,
        sayHeard(one),
        one.gateways.join(', ') || '-',
      ]),
    ),
  async run({ registry }) {
    return { zones: readZones(registry) };
  },
});

/** The zones as they are shown. */
export function readZones(registry: Registry): z.input<typeof zone>[] {
  return registry.zones().map(({ heard, gateways, ...one }) => ({
    zone: one.zone,
    own: one.own,
    stacks: one.stacks,
    stale: one.stale,
    ...(heard && {
      up: heard.up,
      down: heard.down,
      records: heard.records,
      kinds: { ...heard.kinds },
      heardAt: new Date(heard.at).toISOString(),
    }),
    gateways: gateways.map((stack) => registry.member(stack)?.name ?? stack),
  }));
}

/** A zone's name on a terminal. */
export function sayZone({ zone: name, own }: { readonly zone: string; readonly own: boolean }): string {
  return `${name || '-'}${own ? ' *' : ''}`;
}

/** How long ago a zone was heard of. */
export function sayHeard({
  heardAt,
  stale,
}: {
  readonly heardAt?: string | undefined;
  readonly stale: boolean;
}): string {
  const heard = heardAt === undefined ? '-' : `${age(Date.parse(heardAt), Date.now())} ago`;
  return stale ? `${heard} (stale)` : heard;
}
