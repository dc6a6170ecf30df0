// What only a running daemon knows: its clock against the members', where it can be dialled, its engine, and its certificate.
import { connect } from 'node:net';
import type { EngineState } from '#daemon/deploy';
import type { Registry } from '#registry';
import { type Check, checkOfJoinFault, unknown, well, wrong } from './check.ts';

export interface RunningStack {
  readonly registry: Registry;
  readonly addresses: readonly string[];
  readonly engine: EngineState;
}

/** Clocks of hosts that are looked after differ by less. */
const maxSkewMs = 5 * 60 * 1000;
/** An address of this very host answers at once. */
const connectTimeoutMs = 2_000;
/** Addresses that are tried. */
const maxAddresses = 16;

export async function checkRunning({ registry, addresses, engine }: RunningStack): Promise<Check[]> {
  const tried = addresses.slice(0, maxAddresses).map((address) => checkAddress(address));
  return [
    checkClock(registry),
    checkCertificate(registry),
    ...checkMembers(registry),
    ...(await Promise.all(tried)),
    checkEngine(engine),
  ];
}

/** Asks the inviting stack whether it would let this one in; the invite isn't used up. */
export async function checkProbe(registry: Registry, token: string, signal: AbortSignal): Promise<Check> {
  try {
    const { role, usesLeft } = await registry.probe(token, { signal });
    return well('invite', `lets this stack in as ${role}; ${usesLeft} may still use it`);
  } catch (error) {
    return checkOfJoinFault(error);
  }
}

function checkClock(registry: Registry): Check {
  const { skewMs } = registry.time();
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  if (Math.abs(skewMs) > maxSkewMs) {
    const found = `${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the members: nothing that expires is signed`;
    return wrong('clock', found, 'set it, such as with "timedatectl set-ntp true"');
  }
  return well(
    'clock',
    Math.abs(skewMs) < 1_000
      ? 'less than a second off'
      : `${Math.round(Math.abs(skewMs) / 1_000)} s off the members that were asked`,
  );
}

function checkCertificate(registry: Registry): Check {
  const own = registry.member(registry.stack);
  if (!own) return wrong('certificate', 'this stack has none', 'join with a new invite: hermesh join TOKEN');
  const { state } = own.liveness;
  const until = new Date(own.expires).toISOString();
  if (state === 'revoked' || state === 'left') {
    return wrong('certificate', `it was ${state === 'left' ? 'given up' : 'revoked'}`, 'leave the mesh: hermesh leave');
  }
  return own.expires > registry.time().now
    ? well('certificate', `${own.role} "${own.name}" until ${until}`)
    : wrong('certificate', `it ran out ${until}`, 'start a stack that is an admin: the rest goes by itself');
}

function checkMembers(registry: Registry): Check[] {
  const others = registry
    .members()
    .filter(({ self, liveness }) => !self && !['left', 'revoked'].includes(liveness.state));
  const quarantined = others.filter(({ quarantine }) => quarantine !== undefined);
  const away = others.filter(({ liveness }) => liveness.state !== 'up');
  const found = `${others.length - away.length} of ${others.length} others are up`;
  return [
    away.length === others.length && others.length > 0
      ? wrong(
          'members',
          `${found}: ${away[0]?.name}: ${away[0]?.liveness.why}`,
          'see that one of them runs, and that its port is open from here',
        )
      : well('members', found),
    ...quarantined.map(({ name, quarantine }) =>
      wrong(
        'quarantine',
        `${name}: ${quarantine}`,
        `end the second stack with its identity, then: hermesh stacks pardon ${name}`,
      ),
    ),
  ];
}

function checkEngine(engine: EngineState): Check {
  if (engine.state === 'none') return unknown('engine', `none: ${engine.reason}`);
  if (engine.state === 'unreachable') {
    return wrong(
      'engine',
      `${engine.info.kind} does not answer: ${engine.reason}`,
      `start it, such as with "systemctl start ${engine.info.kind}"`,
    );
  }
  return well('engine', `${engine.info.kind} ${engine.info.version}`);
}

/** Whether the port that others are told is open, as far as that can be seen from here. */
async function checkAddress(address: string): Promise<Check> {
  const [, host, port] = /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? [];
  if (host === undefined || port === undefined) return unknown('address', `${address} is not one of TCP`);
  const why = await tryConnect(host, Number(port));
  if (why === undefined) return well('address', `${host}:${port} answers`);
  return wrong(
    'address',
    `${host}:${port} ${why}`,
    'open the port, or listen elsewhere: hermesh up --listen /ip4/0.0.0.0/tcp/4801',
  );
}

function tryConnect(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (why?: string): void => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(connectTimeoutMs, () => end('does not answer in time'));
    socket.once('connect', () => end());
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? 'refuses the connection' : `cannot be reached (${error.code})`),
    );
  });
}
