// Operations that look at stacks: the state of this one, and all of the mesh.
import { z } from 'zod';
import { declare } from './declare.ts';
import { drift, sayDrift } from './deploy.ts';
import { age, table } from './table.ts';
import { readZones, sayHeard, sayZone, zone } from './zones.ts';

const liveness = z.object({
  state: z.string(),
  since: z.string().optional(),
  why: z.string().optional(),
  /** Names of the stacks that say so. */
  by: z.array(z.string()).optional(),
});

const member = z.object({
  name: z.string(),
  stack: z.string(),
  self: z.boolean(),
  role: z.string(),
  site: z.string().optional(),
  engine: z.string().optional(),
  liveness,
  addresses: z.array(z.string()),
  expires: z.string(),
  draining: z.object({ since: z.string(), why: z.string().optional() }).optional(),
  quarantine: z.string().optional().describe('why nothing more is taken from its feed'),
});

/** A look at the containers of a stack; its state is told without it where the engine takes longer. */
const driftTimeoutMs = 3_000;

export const status = declare({
  name: 'status',
  title: 'Status of this stack',
  sentence: 'Shows this stack: its identity, engine, mesh, and how many CIs it sees.',
  input: z.object({}),
  output: z.object({
    name: z.string(),
    stack: z.string(),
    version: z.string(),
    startedAt: z.string(),
    mesh: z.object({
      id: z.string(),
      zone: z.string(),
      zones: z.int(),
      stacks: z.int(),
      up: z.int(),
      confirmed: z.boolean(),
      syncing: z.boolean(),
    }),
    site: z.object({ name: z.string(), type: z.string() }),
    engine: z.object({
      state: z.string(),
      kind: z.string().optional(),
      id: z.string().optional(),
      version: z.string().optional(),
      reason: z.string().optional(),
    }),
    cis: z.object({ here: z.int(), mesh: z.int(), unwell: z.array(z.string()) }),
    drift: z.array(drift).describe('how what runs here differs from its manifests'),
    http: z.string(),
    addresses: z.array(z.string()),
    hiddenRecords: z.int(),
    quarantined: z.array(z.string()),
    clockSkewMs: z.int().describe('how far this clock is ahead of the mesh'),
    residentBytes: z.int(),
  }),
  hints: 'look',
  http: { method: 'GET', path: '/api/status' },
  command: { words: 'status', positional: [], examples: ['hermesh status', 'hermesh status --json'] },
  text: (s) =>
    [
      `${s.name}  ${s.stack}`,
      `version   ${s.version}, up since ${s.startedAt}, ${Math.round(s.residentBytes / 1e6)} MB resident`,
      `mesh      ${s.mesh.id}: ${s.mesh.up} of ${s.mesh.stacks} ${s.mesh.stacks === 1 ? 'stack' : 'stacks'} up`,
      ...(s.mesh.zones > 1
        ? [`zone      ${s.mesh.zone || '-'}, one of ${s.mesh.zones}: what is said of stacks and CIs is of this one`]
        : []),
      ...(s.mesh.confirmed
        ? []
        : [
            'unconfirmed: too few stacks said yet how far the records of this one went; they are served as they are here',
          ]),
      ...(s.mesh.syncing ? ['syncing   records of other stacks may be missing still'] : []),
      `site      ${s.site.name} (${s.site.type})`,
      `engine    ${sayEngine(s.engine)}`,
      `CIs       ${s.cis.here} here, ${s.cis.mesh} in the mesh${s.cis.unwell.length > 0 ? `; not well: ${s.cis.unwell.join(', ')}` : ''}`,
      ...s.drift.map((one) => `drift     ${sayDrift(one)}`),
      `HTTP      ${s.http}`,
      ...(s.hiddenRecords > 0
        ? [`hidden    ${s.hiddenRecords} records stand outside their owner's right (see the log)`]
        : []),
      ...(s.quarantined.length > 0
        ? [
            `quarantine ${s.quarantined.join(', ')}: they signed two histories; see "hermesh stacks", and "hermesh stacks pardon"`,
          ]
        : []),
      ...(Math.abs(s.clockSkewMs) > 60_000
        ? [
            `clock     ${Math.round(Math.abs(s.clockSkewMs) / 60_000)} minutes ${s.clockSkewMs > 0 ? 'ahead of' : 'behind'} the mesh: set it`,
          ]
        : []),
    ].join('\n'),
  async run(context, _input, call) {
    const { registry, config } = context;
    const limit = { signal: AbortSignal.any([call.signal, AbortSignal.timeout(driftTimeoutMs)]) };
    // An engine that is away or slow says nothing of drift.
    const differs = await context.runs.drift(limit).catch(() => undefined);
    const engine = context.engineState();
    const zone = registry.member(registry.stack)?.zone ?? '';
    const members = registry.members().filter((one) => one.zone === zone);
    const cis = registry.directory.list({ kind: 'ci' });
    const unwell = cis
      .filter(({ body }) => ['unhealthy', 'stopped', 'stale'].includes((body as { health: string }).health))
      .map(({ name }) => name);
    return {
      name: config.name,
      stack: registry.stack,
      version: context.version,
      startedAt: context.startedAt.toISOString(),
      mesh: {
        id: registry.mesh().id,
        zone,
        zones: registry.zones().length,
        stacks: members.length,
        up: members.filter(({ liveness: { state } }) => state === 'up').length,
        confirmed: registry.confirmed(),
        syncing: registry.syncing(),
      },
      site: config.site,
      engine:
        engine.state === 'none'
          ? engine
          : {
              state: engine.state,
              kind: engine.info.kind,
              id: engine.info.id,
              version: engine.info.version,
              ...(engine.state === 'unreachable' ? { reason: engine.reason } : {}),
            },
      cis: { here: cis.filter(({ stack }) => stack === registry.stack).length, mesh: cis.length, unwell },
      drift: [...(differs ?? [])],
      http: context.links.http,
      addresses: [...context.addresses()],
      hiddenRecords: registry.directory.counts().hidden,
      quarantined: members.filter(({ quarantine }) => quarantine !== undefined).map(({ name }) => name),
      clockSkewMs: registry.time().skewMs,
      residentBytes: process.memoryUsage.rss(),
    };
  },
});

export const stacks = declare({
  name: 'stacks',
  title: 'Stacks of the mesh',
  sentence:
    'Lists the stacks of the mesh (of the own zone, where there are several) with their state, since when, why, and who says so.',
  input: z.object({}),
  output: z.object({ stacks: z.array(member), zones: z.array(zone).describe('the other zones') }),
  hints: 'look',
  http: { method: 'GET', path: '/api/stacks' },
  command: { words: 'stacks', positional: [], examples: ['hermesh stacks'] },
  text: ({ stacks: all, zones }) =>
    [
      table(
        ['NAME', 'STATE', 'SINCE', 'WHY', 'SAID BY', 'ROLE', 'SITE', 'ENGINE', 'STACK'],
        all.map((one) => [
          one.self ? `${one.name} *` : one.name,
          [one.liveness.state, one.draining && 'draining', one.quarantine && 'quarantined'].filter(Boolean).join(', '),
          one.liveness.since ? `${age(Date.parse(one.liveness.since), Date.now())}` : '-',
          one.quarantine ?? one.draining?.why ?? one.liveness.why ?? '-',
          one.liveness.by?.join(', ') ?? '-',
          one.role,
          one.site ?? '-',
          one.engine ?? '-',
          one.stack,
        ]),
      ),
      ...zones.map(
        (one) => `zone ${sayZone(one)}: ${one.up ?? '?'} of ${one.stacks} stacks up, heard ${sayHeard(one)}`,
      ),
    ].join('\n'),
  async run({ registry }) {
    const described = new Map(
      registry.directory.list({ kind: 'stack', includeUnreachable: true }).map((one) => [one.stack, one.body]),
    );
    const zone = registry.member(registry.stack)?.zone;
    const members = registry.members().filter((one) => one.zone === zone);
    const names = new Map(members.map(({ stack, name }) => [stack, name]));
    return {
      stacks: members.map((one) => {
        const body = described.get(one.stack) as StackBody | undefined;
        return {
          name: one.name,
          stack: one.stack,
          self: one.self,
          role: one.role,
          ...(body?.site ? { site: body.site.name } : {}),
          ...(body?.engine ? { engine: body.engine.kind } : {}),
          liveness: {
            ...one.liveness,
            since: new Date(one.liveness.since).toISOString(),
            by: one.liveness.by.map((stack) => names.get(stack) ?? stack),
          },
          addresses: [...one.addresses],
          expires: new Date(one.expires).toISOString(),
          ...(body?.draining
            ? { draining: { ...body.draining, since: new Date(body.draining.since).toISOString() } }
            : {}),
          ...(one.quarantine === undefined ? {} : { quarantine: one.quarantine }),
        };
      }),
      zones: readZones(registry).filter(({ own }) => !own),
    };
  },
});

interface StackBody {
  readonly site?: { readonly name: string };
  readonly engine?: { readonly kind: string };
  readonly draining?: { readonly since: number; readonly why?: string };
}

function sayEngine({
  state,
  kind,
  version,
  reason,
}: {
  state: string;
  kind?: string;
  version?: string;
  reason?: string;
}): string {
  if (state === 'none') return `none (${reason})`;
  return `${kind} ${version}${reason === undefined ? '' : `, ${state}: ${reason}`}`;
}
