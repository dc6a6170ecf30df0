// Operations on the mesh root: the document that names the admins who make admins, and making the next one.
import { z } from 'zod';
import type { MeshRoot } from '#registry';
import type { Context } from '../context.ts';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';
import { table } from './table.ts';

const who = z.object({ name: z.string(), stack: z.string() });
const root = z.object({
  version: z.int(),
  hash: z.string(),
  admins: z.array(who),
  threshold: z.int(),
  signatures: z.array(who),
  createdAt: z.string(),
  statements: z.array(z.string()).describe('the signed statements, base64 of CBOR'),
});

export const exportRoot = declare({
  name: 'mesh_root',
  title: 'Export the mesh root',
  sentence: 'Shows the chain of roots of this mesh: its admins, the threshold, who signed, and the signed bytes.',
  input: z.object({}),
  output: z.object({ mesh: z.string(), chain: z.array(root), proposals: z.array(root), forks: z.array(root) }),
  hints: 'look',
  http: { method: 'GET', path: '/api/mesh/root' },
  command: {
    words: 'mesh root export',
    positional: [],
    examples: ['hermesh mesh root export', 'hermesh mesh root export --json > root.json'],
  },
  text: ({ mesh, chain, proposals, forks }) =>
    [
      `mesh ${mesh}`,
      table(
        ['VERSION', 'STATE', 'ADMINS', 'THRESHOLD', 'SIGNED BY', 'SINCE'],
        [...chain, ...proposals, ...forks].map((one, at) => [
          String(one.version),
          at < chain.length - 1
            ? 'past'
            : at < chain.length
              ? 'stands'
              : at < chain.length + proposals.length
                ? 'waits'
                : 'outdone',
          one.admins.map(({ name }) => name).join(', '),
          String(one.threshold),
          one.signatures.map(({ name }) => name).join(', '),
          one.createdAt,
        ]),
      ),
      ...(forks.length > 0
        ? ['Two roots of one version were signed by enough: the admins must agree on the next.']
        : []),
    ].join('\n'),
  async run(context) {
    const { chain, proposals, forks } = context.registry.roots();
    const all = (those: readonly MeshRoot[]) => those.map((one) => shown(context, one));
    return { mesh: context.registry.mesh().id, chain: all(chain), proposals: all(proposals), forks: all(forks) };
  },
});

export const rotateRoot = declare({
  name: 'mesh_root_rotate',
  title: 'Rotate the mesh root',
  sentence:
    'Signs the next root of this mesh with other admins or another threshold; it stands once as many admins of the one before signed as that one asks for.',
  input: z.object({
    admins: z
      .string()
      .min(1)
      .max(8_000)
      .optional()
      .describe('all who are to be admins of the root: names or ids, with commas between'),
    threshold: z.coerce.number().int().min(1).max(64).default(1).describe('how many of them make the root after it'),
    approve: z.boolean().default(false).describe('sign what another admin proposed'),
  }),
  output: z.object({
    version: z.int(),
    hash: z.string(),
    admins: z.array(who),
    threshold: z.int(),
    stands: z.boolean(),
    missing: z.int().describe('signatures that are still needed'),
    maySign: z.array(who).describe('whose signatures count and are not there yet'),
  }),
  hints: 'change',
  changesMembership: true,
  http: { method: 'POST', path: '/api/mesh/root' },
  command: {
    words: 'mesh root rotate',
    positional: [],
    examples: [
      'hermesh mesh root rotate --admins berlin,paris,rome --threshold 2',
      'hermesh mesh root rotate --approve',
    ],
  },
  text: ({ version, threshold, admins, stands, missing, maySign }) =>
    stands
      ? `Root ${version} stands: ${threshold} of ${admins.map(({ name }) => name).join(', ')} make the next.`
      : `Root ${version} waits for ${missing} more of ${maySign.map(({ name }) => name).join(', ')}. There: hermesh mesh root rotate --approve`,
  async run(context, { admins, threshold, approve }, call) {
    if (approve === (admins !== undefined)) {
      throw new DaemonError('bad-input', 'Cannot rotate the root: name either its admins or --approve', {
        mend: 'hermesh mesh root rotate --admins a,b,c --threshold 2',
      });
    }
    const { registry } = context;
    const wanted =
      admins === undefined
        ? undefined
        : {
            admins: admins
              .split(',')
              .map((each) => each.trim())
              .filter((each) => each !== ''),
            threshold,
          };
    const within = (): void =>
      context.deed(call, { type: 'root.signed', subject: registry.mesh().id }, () => undefined);
    const signed = registry.signRoot(wanted, { within });
    const { chain } = registry.roots();
    const stands = chain.some(({ hash }) => hash === signed.hash);
    const before = chain.find(({ version }) => version === signed.version - 1);
    const open = before?.admins.filter((each) => !signed.signers.includes(each)) ?? [];
    const { version, hash, admins: named, threshold: asked } = shown(context, signed);
    return {
      version,
      hash,
      admins: named,
      threshold: asked,
      stands,
      missing: stands ? 0 : Math.max(0, (before?.threshold ?? 0) - signed.signers.length),
      maySign: stands ? [] : open.map((each) => nameOf(context, each)),
    };
  },
});

function shown(context: Context, one: MeshRoot) {
  return {
    version: one.version,
    hash: one.hash,
    admins: one.admins.map((each) => nameOf(context, each)),
    threshold: one.threshold,
    signatures: one.signers.map((each) => nameOf(context, each)),
    createdAt: new Date(one.createdAt).toISOString(),
    statements: one.statements.map((each) => Buffer.from(each).toString('base64')),
  };
}

function nameOf({ registry }: Context, stack: string): { name: string; stack: string } {
  return { name: registry.member(stack)?.name ?? stack, stack };
}
