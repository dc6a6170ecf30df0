// One running stack: opens its parts in order, wires them, and closes them in reverse. A part that fails rolls back the others.

import { randomBytes, randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Logger } from 'pino';
import { openObserver } from '#container-ci';
import type { Cis } from '#daemon/cis';
import { keepContainerRecords, makeCis, openLocalCis } from '#daemon/cis';
import {
  bringMissing,
  describeEngine,
  type EngineState,
  imagesOf,
  lazyPackageSource,
  makeIntents,
  makePullAccess,
  makePulls,
  makeRuns,
  makeShelf,
  openEngineLink,
  openImages,
  openJournal,
  openSecrets,
  openSupply,
  stateNow,
} from '#daemon/deploy';
import { openHttp } from '#daemon/http';
import { operations } from '#daemon/operations';
import { makeStepRunning, openSharedResults } from '#daemon/steps';
import { keepSwept, makeSweep, openUses } from '#daemon/sweep';
import { Audit, Events, migrations as governanceMigrations, inputDigest, mayStand, principalName } from '#governance';
import { openBlobStore, openPartialStore } from '#manifests';
import { makeRegistryBases, openRepositories, openUploads } from '#manifests/distribution';
import type { Network } from '#registry';
import { loadOrMakeIdentity, openDatabase, openRegistry, registryMigrations, systemClock } from '#registry';
import { holdingKind, openExchange } from '#registry/exchange';
import { makeBaseSource, makeEngineBases } from './bases.ts';
import type { Config } from './config.ts';
import type { Context } from './context.ts';
import type { Deed, OperationCall } from './deed.ts';
import { openHome } from './home.ts';
import { makeInvoke } from './invoke.ts';
import { daemonKinds } from './kinds.ts';
import { knownAs } from './known-as.ts';
import { makeMetrics } from './metrics.ts';
import { operatorOf } from './operator.ts';
import { problemOf } from './problem.ts';
import { makeRegistryParts } from './registries.ts';
import { callOperation, serveOperations } from './remote.ts';
import { describeStack, drainingOf, factsOf, healthOf, stackCi } from './self.ts';
import { bindHome, daemonMigrations, openRegistrations, openUnfinishedRuns } from './store.ts';
import { readVersion } from './version.ts';

export interface Node extends AsyncDisposable {
  readonly context: Context;
  readonly token: string;
}

export interface NodeOptions {
  readonly config: Config;
  /** The token of an invite, where the stack is to join a mesh instead of founding one. */
  readonly join?: string | undefined;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  readonly random: () => number;
  /** Opens the transport: libp2p, or a network in memory in tests. */
  readonly openNetwork: (options: {
    readonly identity: Awaited<ReturnType<typeof loadOrMakeIdentity>>;
    readonly config: Config;
    readonly log: Logger;
  }) => Promise<Network>;
  /** Told of a fault in the background that the daemon can't go on with. */
  readonly onFault: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Resolves once everything listens. Throws the fault of the first part that can't be opened, with nothing left open. */
export async function openNode(options: NodeOptions): Promise<Node> {
  const { log, now, monotonic, random, onFault, signal } = options;
  await using parts = new AsyncDisposableStack();
  const stopping = new AbortController();
  const room = (name: string): Logger => log.child({ room: name });

  const home = parts.use(openHome(options.config.home));
  const identity = await loadOrMakeIdentity(options.config.home);
  const database = parts.use(
    openDatabase(
      home.database,
      [
        registryMigrations,
        { floor: 'governance', migrations: governanceMigrations },
        { floor: 'daemon', migrations: daemonMigrations },
      ],
      { later: setImmediate },
    ),
  );
  bindHome(database, options.config.home, identity.stack);
  const events = new Events({ database, stack: identity.stack, now, newId: randomUUID });
  const audit = new Audit({ database, stack: identity.stack, now });

  // The slow parts open side by side; each is closed in its turn.
  const engineOpening = openEngineLink(options.config, identity.stack, room('engine'), { signal });
  const networkOpening = options.openNetwork({ identity, config: options.config, log: room('libp2p') });
  const [engine, network, blobs] = await openTogether(
    parts,
    engineOpening,
    networkOpening,
    openBlobStore(home.blobs, { now }),
  );

  const metrics = makeMetrics();
  const registry = parts.use(
    await openRegistry({
      database,
      identity,
      name: options.config.name,
      ...(options.config.zone === undefined ? {} : { zone: options.config.zone }),
      network,
      kinds: [...daemonKinds, holdingKind],
      mayStand,
      clock: { ...systemClock, now, monotonic },
      random: randomBytes,
      log: room('registry'),
      metrics: { count: (name, labels, by) => metrics.count(`registry_${name}`, labels, by) },
    }),
  );

  const config = { ...options.config, name: await knownAs(registry, options.config, options.join !== undefined) };

  const partials = await openPartialStore(home.blobs);
  const exchange = parts.use(
    openExchange({
      network: registry.network,
      shelf: makeShelf(blobs, partials),
      directory: registry.directory,
      clock: { ...systemClock, now, monotonic },
      random,
      log: room('exchange'),
      reach: (stack, limit) => registry.reach(stack, limit),
      fault: (stack, fault) => registry.fault(stack, fault),
    }),
  );
  const running = makeStepRunning({
    stack: identity.stack,
    endpoint: engine.engine?.endpoint,
    shared: openSharedResults({
      registry,
      exchange,
      operatorOf: (stack) => operatorOf(registry.directory, stack),
      log: room('steps'),
    }),
  });
  running
    .sweep({ signal })
    .catch((error: unknown) => log.warn({ error }, 'what build steps left could not be removed'));
  const repositories = openRepositories(blobs);
  const registryParts = makeRegistryParts({ loginFiles: config.loginFiles }, random);
  const bases = makeBaseSource({
    registry: makeRegistryBases(registryParts),
    ...(engine.engine && { engine: makeEngineBases(engine.engine, blobs) }),
  });
  const supply = openSupply({ blobs, identity, registry, scratch: path.join(home.blobs, 'tmp') });
  const { mirrors, keyring } = options.config;
  const packages = lazyPackageSource({ directory: home.apt, mirrors, keyring });
  const uses = openUses(now);
  const opened = openImages(blobs, packages, supply.attest, bases, running);
  const images = { ...opened, build: uses.during(opened.build), rebuild: uses.during(opened.rebuild) };
  const observer = engine.engine
    ? parts.use(
        await openObserver({
          engine: engine.engine,
          intentOf: makeIntents(images, (error) => log.warn({ error }, 'a manifest could not be read')),
          peerHealth: (ci) => healthOf(registry, ci),
          now,
          random,
          log: room('container-ci'),
        }),
      )
    : undefined;
  const containers = observer && engine.engine ? { observer, engine: engine.engine } : undefined;

  const local = parts.use(
    openLocalCis({
      rows: openRegistrations(database),
      publish: (name, record) => registry.write([{ kind: 'ci', name, body: record }]),
      transaction: (change) => database.transaction(change),
      afterRollback: (undo) => database.afterRollback(undo),
      isTaken: (name) => name === config.name || (observer?.cis().some((view) => view.ci === name) ?? false),
      now,
      monotonic,
      log: room('cis'),
    }),
  );

  const engineState = (): EngineState => stateNow(engine.state, observer);
  const startedAt = new Date(now());
  const version = readVersion();
  const cis: Cis = makeCis({
    registry,
    local,
    containers,
    facts: () => factsOf(registry, config.name, version, startedAt, describeEngine(engineState())),
    callRemote: (stack, operation, input, { principal, signal: until }) => {
      const entry = { principal: principalName(principal), operation, inputDigest: inputDigest(input) };
      database.transaction(() => audit.append({ ...entry, rule: 'built-in/look', outcome: 'allowed' }));
      return callOperation(
        { network, reach: registry.reach.bind(registry) },
        stack,
        { operation, input, principal },
        until,
      );
    },
    now,
  });

  const pullAccess = makePullAccess(now);
  const deed = <T>(call: OperationCall, { type, subject, data }: Deed, change: () => T): T =>
    database.transaction(() => {
      const result = change();
      events.append({ type: `io.hermesh.${type}`, subject, data: data ?? {} });
      audit.append({ ...call.entry, outcome: 'done' });
      return result;
    });
  let port = config.http.port;
  const made = makePulls({ blobs, exchange, registry, repositories, registryParts, deed });
  const pulls = {
    ...made,
    pull: uses.during(made.pull),
    pullFrom: uses.during(made.pullFrom),
    push: uses.during(made.push),
  };
  const uploads = openUploads(home.blobs);
  const journal = openJournal(openUnfinishedRuns(database));
  const runs = makeRuns({
    images,
    supply,
    pulls,
    engine,
    registry,
    pullAccess,
    registryAddress: () => `127.0.0.1:${port}`,
    secrets: openSecrets({ home: config.home, folder: config.secretsFolder, fromEnvironment: config.secretOf }),
    journal,
    home: config.home,
    log: room('deploy'),
    deed,
    healthOf: (name) => observer?.cis().find((view) => view.containerName === name)?.health,
    now,
  });

  const sweep = makeSweep({
    ...{ blobs, partials, uploads, repositories, registry, journal, pulls, uses, now },
    engine: engine.engine,
  });
  const links = { http: '', socket: home.socket };
  const context: Context = {
    config,
    version,
    startedAt,
    registry,
    engineState,
    cis,
    events,
    audit,
    images,
    runs,
    supply,
    pulls,
    sweep,
    log,
    links,
    addresses: () => network.addresses(),
    transaction: (change) => database.transaction(change),
    deed,
  };
  const invoke = makeInvoke({ operations, context, audit, log: room('operations') });
  serveOperations(
    registry.network,
    (stack) => registry.member(stack)?.role,
    (operation, input, principal, until) =>
      invoke(operation, input, { principal, report: () => undefined, signal: until }),
    problemOf,
  );

  if (options.join !== undefined && registry.members().length === 1) {
    await registry.join(options.join, { signal });
  }
  if (observer) {
    const keeping = keepContainerRecords(observer, registry, local, room('cis'), { signal: stopping.signal });
    keeping.catch((error: unknown) => {
      if (!stopping.signal.aborted) onFault(error);
    });
    parts.defer(() => {
      stopping.abort();
      return keeping.catch(() => undefined);
    });
  }

  let isReady = false;
  const http = parts.use(
    await openHttp({
      host: config.http.host,
      port: config.http.port,
      socket: home.socket,
      token: home.token,
      stack: identity.stack,
      version,
      hermes: config.hermes,
      operations,
      invoke,
      cis,
      group: (work) => database.group(work),
      blobs: bringMissing(blobs, exchange),
      repositories,
      uploads,
      imagesOf: (repository) => imagesOf(registry.directory, repository),
      pullAccess,
      directory: registry.directory,
      isReady: () => isReady,
      metrics,
      observe: () => ({ version, startedAt, members: registry.members(), counts: registry.directory.counts() }),
      now,
      log: room('http'),
    }),
  );
  port = http.port;
  links.http = http.url;
  registry.write([
    {
      kind: 'stack',
      name: config.name,
      body: { ...describeStack(config, version, network.addresses(), engine.state), ...drainingOf(registry) },
    },
    { kind: 'ci', name: config.name, body: stackCi(config.name) },
  ]);
  const resuming = runs.resume({ signal: stopping.signal }).catch((error: unknown) => {
    if (!stopping.signal.aborted) log.warn({ error }, 'what was broken off could not be looked at');
  });
  parts.defer(() => {
    isReady = false;
    stopping.abort();
    return resuming;
  });
  isReady = true;
  const sweeping = room('sweep');
  parts.use(
    keepSwept(sweep, {
      onSwept({ removed, removedBytes, sizeBytes, neededBytes }) {
        if (removed > 0) sweeping.info({ removed, removedBytes, sizeBytes, neededBytes }, 'swept the store');
      },
      onFault: (error) => sweeping.warn({ error }, 'the store could not be swept'),
    }),
  );

  const all = parts.move();
  return { context, token: home.token, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Waits for all, keeps each that opened so that it is closed, and throws the first fault. */
async function openTogether<A extends AsyncDisposable, B extends AsyncDisposable, C>(
  parts: AsyncDisposableStack,
  first: Promise<A>,
  second: Promise<B>,
  third: Promise<C>,
): Promise<readonly [A, B, C]> {
  const [one, two, three] = await Promise.allSettled([first, second, third]);
  if (one.status === 'fulfilled') parts.use(one.value);
  if (two.status === 'fulfilled') parts.use(two.value);
  if (one.status === 'rejected') throw one.reason;
  if (two.status === 'rejected') throw two.reason;
  if (three.status === 'rejected') throw three.reason;
  return [one.value, two.value, three.value];
}

/** 32 random bits as a fraction, for jitter and the choice of peers. */
export function cryptoRandom(): number {
  return randomBytes(4).readUInt32BE() / 2 ** 32;
}
