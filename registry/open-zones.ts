// Hands the zones what they need of the registry that they belong to.
import type { Directory } from '#registry/directory';
import type { Feeds } from '#registry/feeds';
import type { Membership } from '#registry/roster';
import { defaultZoneOptions, ZoneStore, Zones } from '#registry/zones';
import type { RegistryOptions } from './contract.ts';
import type { Members } from './members.ts';
import { noMetrics } from './metrics.ts';
import type { Network, StackId } from './network.ts';
import type { OwnFeed } from './own-feed.ts';
import type { Standing } from './standing.ts';

export interface ZoneWiring {
  readonly self: StackId;
  readonly network: Network;
  /** The mesh's time. */
  readonly meshNow: () => number;
  readonly options: RegistryOptions;
  readonly membership: Membership;
  readonly feeds: Feeds;
  readonly directory: Directory;
  readonly standing: Standing;
  readonly members: Members;
  readonly ownFeed: OwnFeed;
  /** 0 to 1. */
  readonly chance: () => number;
  readonly signal: AbortSignal;
  readonly reach: (stack: StackId, options: { signal: AbortSignal }) => Promise<void>;
  readonly exchange: (stack: StackId) => Promise<void>;
  /** Whom this stack speaks for its zone with has changed. */
  readonly regrouped: () => void;
}

/** The zones of this registry, at work until the signal is aborted. */
export function openZones(wiring: ZoneWiring): Zones {
  const { self, network, meshNow, options, membership, feeds, directory, standing, members, ownFeed, chance, signal } =
    wiring;
  const { clock, log } = options;
  return new Zones({
    self,
    network,
    meshNow,
    roster: () => membership.roster,
    member: (stack) => membership.valid(stack),
    feeds,
    store: new ZoneStore(options.database),
    clock,
    chance,
    log,
    metrics: options.metrics ?? noMetrics,
    signal,
    options: { ...defaultZoneOptions, ...options.zones },
    stateOf: (stack) => members.presence(stack).state,
    addressesOf: (stack) => members.addressesOf(stack),
    ownersOf: (kind, name) => directory.list({ kind, ...(name === undefined ? {} : { name }) }),
    local: (kind, label) => {
      const meant = directory.get(kind, label);
      if (!meant) return [];
      const claimants = meant.name === label ? directory.claimants(kind, label) : [meant];
      return claimants.map(({ kind, name, stack, stackName, body, hash }) => ({
        kind,
        name,
        stack,
        stackName,
        body,
        hash,
      }));
    },
    judge: (owner, record) => standing.read(owner, record),
    write: (name, body) => ownFeed.write([{ kind: 'zone', name, body }]),
    reach: wiring.reach,
    exchange: wiring.exchange,
    regrouped: wiring.regrouped,
  });
}
