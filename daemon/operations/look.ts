// Operations that look: the state of this stack, the stacks of the mesh, and any record.
import { z } from 'zod';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';
import { age, table } from './table.ts';

const liveness = z.object({
  state: z.string(),
  since: z.string().optional(),
  why: z.string().optional(),
  by: z.string().optional(),
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

const record = z.object({
  kind: z.string(),
  name: z.string(),
  stack: z.string(),
  stackName: z.string(),
  body: z.unknown(),
});

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
    mesh: z.object({ id: z.string(), stacks: z.int(), up: z.int() }),
    site: z.object({ name: z.string(), type: z.string() }),
    engine: z.object({
      state: z.string(),
      kind: z.string().optional(),
      id: z.string().optional(),
      version: z.string().optional(),
      reason: z.string().optional(),
    }),
    cis: z.object({ here: z.int(), mesh: z.int(), unwell: z.array(z.string()) }),
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
      `site      ${s.site.name} (${s.site.type})`,
      `engine    ${sayEngine(s.engine)}`,
      `CIs       ${s.cis.here} here, ${s.cis.mesh} in the mesh${s.cis.unwell.length > 0 ? `; not well: ${s.cis.unwell.join(', ')}` : ''}`,
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
  async run(context) {
    const { registry, config } = context;
    const engine = context.engineState();
    const members = registry.members();
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
        stacks: members.length,
        up: members.filter(({ liveness: { state } }) => state === 'up').length,
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
      http: context.links.http,
      addresses: [...context.addresses()],
      hiddenRecords: registry.directory.hidden().length,
      quarantined: members.filter(({ quarantine }) => quarantine !== undefined).map(({ name }) => name),
      clockSkewMs: registry.time().skewMs,
      residentBytes: process.memoryUsage.rss(),
    };
  },
});

export const stacks = declare({
  name: 'stacks',
  title: 'Stacks of the mesh',
  sentence: 'Lists the stacks of the mesh with their state, since when, why, and who says so.',
  input: z.object({}),
  output: z.object({ stacks: z.array(member) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/stacks' },
  command: { words: 'stacks', positional: [], examples: ['hermesh stacks'] },
  text: ({ stacks: all }) =>
    table(
      ['NAME', 'STATE', 'SINCE', 'WHY', 'ROLE', 'SITE', 'ENGINE', 'STACK'],
      all.map((one) => [
        one.self ? `${one.name} *` : one.name,
        [one.liveness.state, one.draining && 'draining', one.quarantine && 'quarantined'].filter(Boolean).join(', '),
        one.liveness.since ? `${age(Date.parse(one.liveness.since), Date.now())}` : '-',
        one.quarantine ?? one.draining?.why ?? one.liveness.why ?? '-',
        one.role,
        one.site ?? '-',
        one.engine ?? '-',
        one.stack,
      ]),
    ),
  async run({ registry }) {
    const described = new Map(
      registry.directory.list({ kind: 'stack', includeUnreachable: true }).map((one) => [one.stack, one.body]),
    );
    return {
      stacks: registry.members().map((one) => {
        const body = described.get(one.stack) as StackBody | undefined;
        return {
          name: one.name,
          stack: one.stack,
          self: one.self,
          role: one.role,
          ...(body?.site ? { site: body.site.name } : {}),
          ...(body?.engine ? { engine: body.engine.kind } : {}),
          liveness: { ...one.liveness, since: new Date(one.liveness.since).toISOString() },
          addresses: [...one.addresses],
          expires: new Date(one.expires).toISOString(),
          ...(body?.draining
            ? { draining: { ...body.draining, since: new Date(body.draining.since).toISOString() } }
            : {}),
          ...(one.quarantine === undefined ? {} : { quarantine: one.quarantine }),
        };
      }),
    };
  },
});

interface StackBody {
  readonly site?: { readonly name: string };
  readonly engine?: { readonly kind: string };
  readonly draining?: { readonly since: number; readonly why?: string };
}

export const list = declare({
  name: 'records_list',
  title: 'List records',
  sentence:
    'Lists records of the registry: stacks, CIs, manifests, builds and runs, of all stacks that can be reached.',
  input: z.object({
    kind: z.string().max(40).optional().describe('stack, ci, manifest, build or run; all where it is left out'),
    stack: z.string().max(128).optional().describe('only records of this stack, by name or id'),
  }),
  output: z.object({ records: z.array(record) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/records' },
  command: { words: 'ls', positional: ['kind'], examples: ['hermesh ls', 'hermesh ls ci', 'hermesh ls ci --json'] },
  text: ({ records }) =>
    records.length === 0
      ? 'No records.'
      : table(
          ['KIND', 'NAME', 'STACK', ''],
          records.map((one) => [one.kind, one.name, one.stackName, summary(one.body)]),
        ),
  async run({ registry }, { kind, stack }) {
    const names = new Map(registry.members().map((one) => [one.stack, one.name]));
    const of =
      stack === undefined ? undefined : registry.members().find((one) => one.stack === stack || one.name === stack);
    if (stack !== undefined && !of) {
      throw new DaemonError('not-found', `Cannot find the stack "${stack}": it isn't of this mesh`, {
        mend: 'hermesh stacks',
      });
    }
    return {
      records: registry.directory
        .list({ ...(kind === undefined ? {} : { kind }), ...(of ? { stack: of.stack } : {}) })
        .map((one) => ({
          kind: one.kind,
          name: one.name,
          stack: one.stack,
          stackName: names.get(one.stack) ?? one.stack,
          body: one.body,
        })),
    };
  },
});

export const get = declare({
  name: 'record_get',
  title: 'Get a record',
  sentence: 'Shows one record by KIND/NAME, or KIND/NAME@STACK where several stacks have one of that name.',
  input: z.object({ record: z.string().min(3).max(400).describe('KIND/NAME or KIND/NAME@STACK') }),
  output: record.extend({ claimants: z.array(z.string()) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/record' },
  command: { words: 'get', positional: ['record'], examples: ['hermesh get ci/redis-ci', 'hermesh get stack/berlin'] },
  text: (one) => JSON.stringify(one, null, 2),
  async run({ registry }, { record: wanted }) {
    const slash = wanted.indexOf('/');
    const kind = wanted.slice(0, slash);
    const found = slash > 0 ? registry.directory.get(kind, wanted.slice(slash + 1)) : undefined;
    if (!found) {
      throw new DaemonError('not-found', `Cannot find the record "${wanted}"`, { mend: `hermesh ls ${kind}` });
    }
    const names = new Map(registry.members().map((one) => [one.stack, one.name]));
    return {
      kind,
      name: found.name,
      stack: found.stack,
      stackName: names.get(found.stack) ?? found.stack,
      body: found.body,
      claimants: registry.directory
        .claimants(kind, found.name)
        .map((one) => `${one.name}@${names.get(one.stack) ?? one.stack}`),
    };
  },
});

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

/** What a line of a list has room for. */
function summary(body: unknown): string {
  const { health, type, site, project, container, digest } = body as Record<string, unknown>;
  if (typeof health === 'string') return `${health}, ${type}`;
  if (typeof digest === 'string')
    return `${[project, container].filter((part) => typeof part === 'string').join('/')} ${digest.slice(0, 19)}`;
  if (site) return JSON.stringify(site);
  return typeof project === 'string' ? project : '';
}
