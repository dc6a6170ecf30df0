// Operations that look at records: lists by kind, stack and filter, and one record by its name.
import { z } from 'zod';
import { findByDigest, isDigestLike } from '#daemon/records';
import { maxFilterLength, parseFilter, type Registry } from '#registry';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';
import { table } from './table.ts';

const record = z.object({
  kind: z.string(),
  name: z.string(),
  stack: z.string(),
  stackName: z.string(),
  /** The presence of its stack, where that isn't up. */
  state: z.string().optional(),
  body: z.unknown(),
});

const all = z.boolean().optional().describe('also records of stacks that are unreachable or down');

export const list = declare({
  name: 'records_list',
  title: 'List records',
  sentence:
    'Lists records of the registry: stacks, CIs, manifests, builds, checks and runs, of all stacks that can be reached; a filter in CEL narrows it.',
  input: z.object({
    kind: z
      .string()
      .max(40)
      .optional()
      .describe('stack, ci, manifest, build, check, tombstone or run; all where it is left out'),
    stack: z.string().max(128).optional().describe('only records of this stack, by name or id'),
    where: z
      .string()
      .max(maxFilterLength)
      .optional()
      .describe(
        'a filter in CEL over kind, name, stack, stackId, site, region, labels, health, capabilities, state and body',
      ),
    all,
  }),
  output: z.object({ records: z.array(record) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/records' },
  command: {
    words: 'ls',
    positional: ['kind'],
    examples: [
      'hermesh ls',
      'hermesh ls ci --json',
      `hermesh ls ci --where 'health != "healthy"'`,
      `hermesh ls --where 'labels.tier == "edge" && name.startsWith("redis")'`,
      `hermesh ls check --where 'body.project == "shop" && !body.meetsStandards'`,
      `hermesh ls ci --where 'body.services.exists(s, s.port == 6379)' --all`,
    ],
  },
  text: ({ records }) =>
    records.length === 0
      ? 'No records.'
      : table(
          ['KIND', 'NAME', 'STACK', ''],
          records.map((one) => [
            one.kind,
            one.name,
            one.state === undefined ? one.stackName : `${one.stackName} (${one.state})`,
            summary(one.body),
          ]),
        ),
  async run({ registry }, { kind, stack, where, all: includeUnreachable = false }) {
    const of =
      stack === undefined ? undefined : registry.members().find((one) => one.stack === stack || one.name === stack);
    if (stack !== undefined && !of) {
      throw new DaemonError('not-found', `Cannot find the stack "${stack}": it isn't of this mesh`, {
        mend: 'hermesh stacks',
      });
    }
    return {
      records: registry.directory
        .list({
          includeUnreachable,
          ...(kind === undefined ? {} : { kind }),
          ...(of ? { stack: of.stack } : {}),
          ...(where === undefined ? {} : { where: parseFilter(where) }),
        })
        .map(shown),
    };
  },
});

export const get = declare({
  name: 'record_get',
  title: 'Get a record',
  sentence: 'Shows one record by KIND/NAME, or KIND/NAME@STACK where several stacks have one of that name.',
  input: z.object({
    record: z
      .string()
      .min(3)
      .max(400)
      .describe('KIND/NAME or KIND/NAME@STACK; a manifest or a build also by 12 or more characters of a digest'),
    all,
  }),
  output: record.extend({
    claimants: z.array(z.string()),
    zone: z.string().optional().describe('the zone that has it, where it is another one'),
  }),
  hints: 'look',
  http: { method: 'GET', path: '/api/record' },
  command: {
    words: 'get',
    positional: ['record'],
    examples: [
      'hermesh get ci/redis-ci',
      'hermesh get stack/berlin',
      'hermesh get ci/redis-ci@berlin --all',
      'hermesh get build/3f786850e387',
    ],
  },
  text: (one) => JSON.stringify(one, null, 2),
  async run({ registry }, { record: wanted, all: includeUnreachable = false }, { signal }) {
    const { directory } = registry;
    const slash = wanted.indexOf('/');
    const kind = wanted.slice(0, Math.max(0, slash));
    const name = wanted.slice(slash + 1);
    const exact = slash > 0 ? directory.get(kind, name, { includeUnreachable }) : undefined;
    const found = exact ?? (isDigestLike(name) ? findByDigest(directory, name, kind || undefined)[0] : undefined);
    if (!found) {
      const { records, unanswered } =
        slash > 0 ? await registry.find(kind, name, { signal }) : { records: [], unanswered: [] as string[] };
      const [elsewhere] = records;
      if (elsewhere) {
        const { name: label, stack, stackName, zone, body } = elsewhere;
        const claimants = records.map((one) => `${one.name}@${one.stackName}`);
        return {
          kind,
          name: label,
          stack,
          stackName,
          body,
          claimants,
          ...(zone === ownZone(registry) ? {} : { zone }),
        };
      }
      const silent =
        unanswered.length > 0 ? `: the zones ${unanswered.map((each) => `"${each}"`).join(', ')} did not answer` : '';
      throw new DaemonError('not-found', `Cannot find the record "${wanted}"${silent}`, {
        mend: includeUnreachable ? `hermesh ls ${kind}` : `hermesh ls ${kind} --all`,
      });
    }
    const claimants = directory.claimants(found.kind, found.name, { includeUnreachable });
    return { ...shown(found), claimants: claimants.map((one) => `${one.name}@${one.stackName}`) };
  },
});

function ownZone(registry: Registry): string | undefined {
  return registry.member(registry.stack)?.zone;
}

interface Shown {
  readonly kind: string;
  readonly name: string;
  readonly stack: string;
  readonly stackName: string;
  readonly presence: { readonly state: string };
  readonly body: unknown;
}

function shown({ kind, name, stack, stackName, presence: { state }, body }: Shown): z.input<typeof record> {
  return { kind, name, stack, stackName, ...(state === 'up' ? {} : { state }), body };
}

/** What a line of a list has room for. */
function summary(body: unknown): string {
  const { health, type, site, project, container, digest } = (body ?? {}) as Record<string, unknown>;
  if (typeof health === 'string') return typeof type === 'string' ? `${health}, ${type}` : health;
  if (typeof digest === 'string')
    return `${[project, container].filter((part) => typeof part === 'string').join('/')} ${digest.slice(0, 19)}`;
  if (site) return JSON.stringify(site);
  return typeof project === 'string' ? project : '';
}
