// Hands liveness what it needs of the registry that it belongs to: the members of the own zone, and a place for its incarnation.
import { Watch } from '#registry/liveness';
import type { Membership, RosterStore } from '#registry/roster';
import type { RegistryOptions } from './contract.ts';
import type { StackId } from './network.ts';

export interface WatchWiring {
  readonly options: RegistryOptions;
  readonly membership: Membership;
  readonly store: RosterStore;
  readonly signal: AbortSignal;
  readonly timeSample: NonNullable<RegistryOptions['timeSample']>;
  readonly probe: (stack: StackId) => void;
  readonly presence: () => void;
}

/** Watches the members of the own zone until the signal is aborted. */
export function openWatch({ options, membership, store, signal, timeSample, probe, presence }: WatchWiring): Watch {
  const { network, identity, clock, log } = options;
  return new Watch({
    network,
    identity,
    clock,
    log,
    signal,
    timing: options.liveness,
    timeSample: (stack, offsetMs, roundTripMs) => {
      timeSample(stack, offsetMs, roundTripMs);
      options.timeSample?.(stack, offsetMs, roundTripMs);
    },
    roster: () => ({
      mesh: membership.roster.mesh,
      digest: membership.roster.digest,
      members: [...membership.roster.memberships.keys()].filter((stack) => membership.isNear(stack)),
    }),
    incarnation: {
      read: () => Number(store.setting('incarnation') ?? 0),
      keep: (incarnation) => store.setSetting('incarnation', `${incarnation}`),
    },
    probe,
    presence,
  });
}
