// Operations on records of manifests and builds: where one comes from, whether it meets the standards, and removing it safely.
import { z } from 'zod';
import { checkName, checkOf, type FoundRecord, findByDigest, lineageOf, standsOn } from '#daemon/records';
import { isDigest } from '#manifests';
import type { Context } from '../context.ts';
import { DaemonError } from '../errors.ts';
import type { CheckRecord, TombstoneRecord } from '../kinds.ts';
import { declare } from './declare.ts';
import { table } from './table.ts';

const wanted = z
  .string()
  .min(12)
  .max(100)
  .describe('a manifest digest, build key or image digest, or at least 12 characters of it');

const example = '3f786850e387';

export const lineage = declare({
  name: 'record_lineage',
  title: 'Lineage of a manifest or build',
  sentence: 'Shows where a manifest or a build comes from: what it superseded, its bases and its source revision.',
  input: z.object({ digest: wanted }),
  output: z.object({
    nodes: z.array(
      z.object({
        kind: z.enum(['manifest', 'build', 'image', 'revision']),
        name: z.string(),
        depth: z.int(),
        stacks: z.array(z.string()),
        isRemoved: z.boolean(),
        parents: z.array(z.object({ relation: z.string(), name: z.string() })),
      }),
    ),
    isCut: z.boolean().describe('whether there is more than is shown'),
  }),
  hints: 'look',
  http: { method: 'GET', path: '/api/lineage/:digest' },
  command: { words: 'lineage', positional: ['digest'], examples: [`hermesh lineage ${example}`] },
  text: ({ nodes, isCut }) =>
    [
      table(
        ['DEPTH', 'KIND', 'NAME', 'STACKS', 'FROM'],
        nodes.map((one) => [
          `${one.depth}`,
          one.kind,
          one.name,
          one.isRemoved ? 'removed' : one.stacks.join(', ') || '-',
          one.parents.map(({ relation, name }) => `${relation} ${name.slice(0, 19)}`).join(', ') || '-',
        ]),
      ),
      ...(isCut ? ['There is more: ask for the last one.'] : []),
    ].join('\n'),
  async run(context, { digest }) {
    const { kind, name } = found(context, digest);
    const { nodes, isCut } = lineageOf(context.registry, { kind: kind === 'build' ? 'build' : 'manifest', name });
    return {
      nodes: nodes.map((one) => ({ ...one, stacks: [...one.stacks], parents: [...one.parents] })),
      isCut,
    };
  },
});

export const standards = declare({
  name: 'standards_check',
  title: 'Check a manifest against the standards',
  sentence:
    'Checks a manifest that was built here against the standards, each check with evidence and mend, and records what was found.',
  input: z.object({ digest: wanted }),
  output: z.object({
    manifestDigest: z.string(),
    project: z.string(),
    standards: z.string(),
    meetsStandards: z.boolean(),
    checks: z.array(
      z.object({ check: z.string(), isMet: z.boolean(), evidence: z.string(), mend: z.string().optional() }),
    ),
  }),
  hints: 'change',
  http: { method: 'POST', path: '/api/checks' },
  command: { words: 'standards', positional: ['digest'], examples: [`hermesh standards ${example}`] },
  text: ({ checks, meetsStandards, standards: by }) =>
    [
      table(
        ['CHECK', '', 'EVIDENCE', 'MEND'],
        checks.map((one) => [one.check, one.isMet ? 'met' : 'not met', one.evidence, one.mend ?? '-']),
      ),
      `${meetsStandards ? 'Meets' : "Doesn't meet"} the standards ${by}.`,
    ].join('\n'),
  async run({ registry, images, deed }, { digest }, call) {
    const [record] = findByDigest(registry.directory, digest, 'manifest');
    const name = record?.name ?? digest;
    const known = registry.directory.get<CheckRecord>('check', checkName(name), { includeUnreachable: true });
    if (known) return known.body;
    const manifest = isDigest(name) ? await images.manifest(name) : undefined;
    if (!manifest)
      throw new DaemonError('not-found', `Cannot check "${digest}": no manifest of that digest was built here`, {
        mend: 'hermesh ls manifest',
      });
    const body = checkOf(manifest, name, undefined);
    deed(call, { type: 'manifest.checked', subject: name, data: { meetsStandards: body.meetsStandards } }, () =>
      registry.write([{ kind: 'check', name: checkName(name), body }]),
    );
    return body;
  },
});

export const forget = declare({
  name: 'record_forget',
  title: 'Remove a manifest or build',
  sentence:
    'Removes the record of a manifest or a build of this stack, unless another record comes from it or something runs it; a tombstone stays.',
  input: z.object({ digest: wanted }),
  output: z.object({ removed: z.array(z.string()) }),
  hints: 'remove',
  http: { method: 'DELETE', path: '/api/lineage/:digest' },
  command: { words: 'forget', positional: ['digest'], examples: [`hermesh forget ${example}`] },
  text: ({ removed }) => removed.map((one) => `Removed ${one}.`).join('\n'),
  async run(context, { digest }, call) {
    const { registry, deed } = context;
    const { directory } = registry;
    const all = findByDigest(directory, digest);
    const own = all.find(({ stack }) => stack === registry.stack);
    if (!own) {
      const [other] = all;
      if (!other) throw notFound(digest);
      throw new DaemonError(
        'forbidden',
        `Cannot remove ${other.kind}/${other.name}: it is of stack "${other.stackName}"`,
        {
          mend: 'remove it there',
        },
      );
    }
    const { kind, name, body } = own;
    const by = standsOn(registry, { kind, name, digest: body.digest });
    if (by.length > 0)
      throw new DaemonError('in-use', `Cannot remove ${kind}/${name}: ${by.slice(0, 5).join('; ')}`, {
        mend: 'remove or stop those first',
      });
    const tombstone: TombstoneRecord = { kind, name, project: body.project, by: call.entry.principal };
    const checks = directory
      .list<CheckRecord>({ kind: 'check', stack: registry.stack, includeUnreachable: true })
      .filter((one) => kind === 'manifest' && one.body.manifestDigest === name);
    deed(call, { type: 'record.removed', subject: `${kind}/${name}` }, () =>
      registry.write([
        { kind, name, body: undefined },
        ...checks.map((one) => ({ kind: 'check', name: one.name, body: undefined })),
        { kind: 'tombstone', name: `${kind}/${name}`, body: tombstone },
      ]),
    );
    return { removed: [`${kind}/${name}`, ...checks.map((one) => `check/${one.name}`)] };
  },
});

function found({ registry }: Context, digest: string): FoundRecord {
  const [first] = findByDigest(registry.directory, digest);
  if (!first) throw notFound(digest);
  return first;
}

function notFound(digest: string): DaemonError {
  return new DaemonError('not-found', `Cannot find a manifest or build "${digest}"`, {
    mend: 'hermesh ls build --all',
  });
}
