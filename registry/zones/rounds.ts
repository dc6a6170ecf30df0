// When a stack looks at its zone and asks others: a state machine told of time, without sockets, clocks or chance of its own.

export interface ZoneOptions {
  /** How often a stack looks whether it speaks for its zone, and the least time between two of its summaries. */
  readonly lookMs: number;
  /** A summary is written anew after this although nothing changed. */
  readonly refreshMs: number;
  /** The mean time between two rounds in which a gateway asks other zones; each is drawn from ± 50 %. */
  readonly roundMs: number;
  /** A summary that wasn't heard anew for this long is shown as stale. */
  readonly staleMs: number;
}

export const defaultZoneOptions: ZoneOptions = {
  lookMs: 10_000,
  refreshMs: 60_000,
  roundMs: 30_000,
  staleMs: 180_000,
};

/** Zones that are asked in a round, random ones of more: what they heard of the others comes with it. */
export const zonesARound = 8;

export type ZoneDeed = { readonly type: 'look' } | { readonly type: 'ask'; readonly zone: string };

export class Rounds {
  readonly #options: ZoneOptions;
  /** 0 to 1. */
  readonly #chance: () => number;
  #lookAt: number;
  #lastLook: number;
  #roundAt: number;
  #lastRound: number;

  constructor(options: ZoneOptions, chance: () => number, now: number) {
    this.#options = options;
    this.#chance = chance;
    this.#lookAt = now;
    this.#lastLook = now - options.lookMs;
    this.#lastRound = now;
    this.#roundAt = now + this.#chance() * options.roundMs;
  }

  /** When `tick` has something to do next, in the monotonic time that it is given. */
  wakeAt(): number {
    return Math.min(this.#lookAt, this.#roundAt);
  }

  /** Who is in the mesh or up changed: it is looked at anew soon, but not look upon look. */
  changed(now: number): void {
    this.#lookAt = Math.min(this.#lookAt, Math.max(now, this.#lastLook + this.#options.lookMs / 10));
  }

  /** There is news for other zones, such as a revocation: the next round comes soon, but not round upon round. */
  hurry(now: number): void {
    const { roundMs } = this.#options;
    const soon = Math.max(now, this.#lastRound + roundMs / 6) + (this.#chance() * roundMs) / 15;
    this.#roundAt = Math.min(this.#roundAt, soon);
  }

  /** Time went on; `others` are the zones but the own one, for a gateway of it, and none for everybody else. */
  tick(now: number, others: () => readonly string[]): ZoneDeed[] {
    const deeds: ZoneDeed[] = [];
    if (now >= this.#lookAt) {
      this.#lastLook = now;
      this.#lookAt = now + this.#options.lookMs;
      deeds.push({ type: 'look' });
    }
    if (now < this.#roundAt) return deeds;
    this.#lastRound = now;
    this.#roundAt = now + this.#options.roundMs * (0.5 + this.#chance());
    const left = [...others()];
    for (let asked = 0; asked < zonesARound && left.length > 0; asked += 1) {
      const [zone] = left.splice(Math.floor(this.#chance() * left.length), 1);
      if (zone !== undefined) deeds.push({ type: 'ask', zone });
    }
    return deeds;
  }
}
