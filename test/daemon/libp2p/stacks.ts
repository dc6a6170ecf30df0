// Whole stacks over libp2p in one process: a registry on its network, and how one joins another.
import { randomBytes } from 'node:crypto';
import { openLibp2pNetwork } from '#daemon/libp2p';
import { openDatabase, openRegistry, registryMigrations, systemClock } from '#registry';
import type { ReplicateOptions } from '#registry/replication';
import { identityOf, noteKind, silentLog } from '../../support/constellation.ts';

const listen = ['/ip4/127.0.0.1/tcp/0'];

export type Libp2pStack = Awaited<ReturnType<typeof openStack>>;

export interface StackChoices {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly dht?: boolean;
  readonly replicate?: Partial<ReplicateOptions>;
  readonly retryMs?: number;
}

/** Opens one that goes with `parts`; the same word gives the same identity. */
export async function openStack(
  parts: AsyncDisposableStack,
  name: string,
  { now = Date.now, dht = false, replicate = { antiEntropyMs: 2_000 }, retryMs }: StackChoices = {},
) {
  const identity = identityOf(name);
  const network = parts.use(await openLibp2pNetwork({ identity, listen, dht, log: silentLog }));
  const database = parts.use(openDatabase(':memory:', [registryMigrations]));
  const registry = parts.use(
    await openRegistry({
      database,
      identity,
      name,
      network,
      kinds: [noteKind],
      mayStand: () => undefined,
      clock: { ...systemClock, now },
      random: randomBytes,
      log: silentLog,
      replicate,
      ...(retryMs !== undefined && { retryMs }),
    }),
  );
  registry.write([{ kind: 'stack', name, body: { name, addresses: [...network.addresses()] } }]);
  return { identity, network, registry, address: network.addresses()[0] ?? '' };
}

/** Lets one join another's mesh with a fresh invite. */
export async function joinOver(joiner: Libp2pStack, inviter: Libp2pStack): Promise<void> {
  const { token } = inviter.registry.createInvite({ role: 'member', expiresInMs: 60_000, uses: 1 });
  await joiner.registry.join(token, { signal: AbortSignal.timeout(30_000) });
}
