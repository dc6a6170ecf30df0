// What operations are given: the parts of a running stack, and the one way to record a deed.
import type { Logger } from 'pino';
import type { Cis } from '#daemon/cis';
import type { EngineState, Images, Pulls, Runs, Supply } from '#daemon/deploy';
import type { SweepOptions, Swept } from '#daemon/sweep';
import type { Audit, Events } from '#governance';
import type { Registry } from '#registry';
import type { Config } from './config.ts';
import type { Do } from './deed.ts';

export interface Context {
  readonly config: Config;
  readonly version: string;
  readonly startedAt: Date;
  readonly registry: Registry;
  /** How the engine is now. */
  engineState(): EngineState;
  readonly cis: Cis;
  readonly events: Events;
  readonly audit: Audit;
  readonly images: Images;
  readonly runs: Runs;
  readonly supply: Supply;
  readonly pulls: Pulls;
  sweep(options: SweepOptions): Promise<Swept>;
  readonly log: Logger;
  /** Where the daemon listens, for people and programs. */
  readonly links: { readonly http: string; readonly socket: string };
  /** Where other stacks can dial this one. */
  addresses(): readonly string[];
  transaction<T>(change: () => T): T;
  readonly deed: Do;
}
