// Operations of membership: inviting, joining, leaving, revoking.
import { z } from 'zod';
import { memberRoles } from '#registry';
import { DaemonError } from '../errors.ts';
import { declare } from './declare.ts';

const minute = 60_000;
const units: Record<string, number> = { s: 1000, m: minute, h: 60 * minute, d: 24 * 60 * minute };

export const invite = declare({
  name: 'mesh_invite',
  title: 'Invite a stack',
  sentence: 'Makes a token with which another stack can join this mesh, for some uses and some time.',
  input: z.object({
    role: z.enum(memberRoles).default('member').describe('what the new stack may do'),
    expires: z
      .string()
      .regex(/^\d{1,4}[smhd]$/, 'such as 30m, 1h or 7d')
      .default('1h')
      .describe('after which time it is void: 30m, 1h, 7d'),
    uses: z.coerce.number().int().min(1).max(1000).default(1).describe('how many stacks may join with it'),
  }),
  output: z.object({ token: z.string(), expires: z.string() }),
  hints: 'change',
  changesMembership: true,
  http: { method: 'POST', path: '/api/mesh/invites' },
  command: { words: 'invite', positional: [], examples: ['hermesh invite', 'hermesh invite --uses 3 --expires 1d'] },
  text: ({ token, expires }) => `${token}\n\nGood until ${expires}. On the other stack: hermesh join TOKEN`,
  async run(context, { role, expires, uses }, call) {
    const expiresInMs = Number(expires.slice(0, -1)) * (units[expires.slice(-1)] ?? minute);
    const made = context.deed(call, { type: 'invite.made', subject: 'mesh', data: { role, uses, expires } }, () =>
      context.registry.createInvite({ role, expiresInMs, uses }),
    );
    return { token: made.token, expires: new Date(made.expiresAt).toISOString() };
  },
});

export const join = declare({
  name: 'mesh_join',
  title: 'Join a mesh',
  sentence: 'Brings this stack into the mesh that an invite token is for.',
  input: z.object({ token: z.string().min(20).max(4096).describe('what `hermesh invite` printed') }),
  output: z.object({
    mesh: z.string(),
    stacks: z.array(z.string()),
    joined: z.boolean().describe('false: the stack was in that mesh already'),
  }),
  hints: 'change',
  changesMembership: true,
  secrets: ['token'],
  http: { method: 'POST', path: '/api/mesh/join' },
  command: { words: 'join', positional: ['token'], examples: ['hermesh join TOKEN'] },
  text: ({ mesh, stacks, joined }) =>
    `${joined ? 'Joined mesh' : 'Nothing to do: this stack is already in mesh'} ${mesh}: ${stacks.join(', ')}`,
  async run(context, { token }, call) {
    const before = context.registry.mesh().id;
    call.report({ message: 'Asking to be let in' });
    // The mesh is entered, told of and written to the audit log in one transaction.
    const within = (): void =>
      context.deed(call, { type: 'mesh.joined', subject: context.registry.mesh().id }, () => undefined);
    await context.registry.join(token, { signal: call.signal, within });
    const mesh = context.registry.mesh().id;
    const joined = mesh !== before;
    return { mesh, stacks: context.registry.members().map(({ name }) => name), joined };
  },
});

export const revoke = declare({
  name: 'mesh_revoke',
  title: 'Revoke a stack',
  sentence: 'Takes a stack out of the mesh for good: its certificates are void everywhere.',
  input: z.object({ stack: z.string().max(128).describe('its name or id') }),
  output: z.object({ stack: z.string(), name: z.string() }),
  hints: 'remove',
  changesMembership: true,
  http: { method: 'DELETE', path: '/api/stacks/:stack' },
  command: { words: 'revoke', positional: ['stack'], examples: ['hermesh revoke berlin'] },
  text: ({ name, stack }) => `Revoked ${name} (${stack}).`,
  async run(context, { stack }, call) {
    const found = context.registry.members().find((one) => one.stack === stack || one.name === stack);
    if (!found)
      throw new DaemonError('not-found', `Cannot revoke "${stack}": it isn't of this mesh`, { mend: 'hermesh stacks' });
    if (found.self) throw new DaemonError('bad-input', 'Cannot revoke this stack itself', { mend: 'hermesh leave' });
    const within = (): void => context.deed(call, { type: 'stack.revoked', subject: found.stack }, () => undefined);
    await context.registry.revoke(found.stack, { within });
    return { stack: found.stack, name: found.name };
  },
});

export const leave = declare({
  name: 'mesh_leave',
  title: 'Leave the mesh',
  sentence: 'Takes this stack out of its mesh; it then stands alone in a mesh of its own.',
  input: z.object({}),
  output: z.object({ left: z.string(), mesh: z.string() }),
  hints: 'remove',
  changesMembership: true,
  http: { method: 'POST', path: '/api/mesh/leave' },
  command: { words: 'leave', positional: [], examples: ['hermesh leave'] },
  text: ({ left, mesh }) => `Left mesh ${left}. This stack is now alone in mesh ${mesh}.`,
  async run(context, _input, call) {
    const left = context.registry.mesh().id;
    await context.registry.leave({
      within: () => context.deed(call, { type: 'mesh.left', subject: left }, () => undefined),
    });
    return { left, mesh: context.registry.mesh().id };
  },
});
