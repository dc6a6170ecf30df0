// One companion intelligence: what it remembers of its container, and its loop of probes and looks, started and ended with it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManifestContainer } from '#manifests';
import type { ContainerState, Engine, EngineEvent } from './engine.ts';
import { expectedPorts, type LifeEvent } from './facts.ts';
import { afterProbe, afterState, type Health, makeHealth } from './health.ts';
import { identityOf } from './labels.ts';
import { intervalOf, patienceOf, probe } from './probe.ts';
import { nameServices, type ServiceClaim } from './services.ts';

/** What a container's manifest says of it. */
export interface ContainerIntent {
  readonly container: ManifestContainer;
  /** The CI of each container that it depends on. */
  readonly dependencies: readonly { readonly container: string; readonly ci: string }[];
}

/** What others see of a CI. */
export interface CiView {
  readonly ci: string;
  readonly containerId: string;
  readonly containerName: string;
  /** Empty where no stack started the container. */
  readonly project: string;
  readonly manifestDigest: string;
  readonly image: string;
  readonly status: ContainerState['status'];
  readonly health: Health['status'];
  readonly services: readonly {
    readonly name: string;
    readonly confidence: number;
    readonly ports: readonly number[];
  }[];
  /** When its health became so, as ISO 8601. */
  readonly since: string;
}

/** What a CI needs of the world. */
export interface Surroundings {
  readonly engine: Engine;
  readonly intentOf: (labels: Readonly<Record<string, string>>) => ContainerIntent | undefined;
  readonly now: () => number;
  readonly random: () => number;
  /** At most some run at once; the rest wait. */
  readonly limit: <T>(work: () => Promise<T>) => Promise<T>;
  readonly refreshMs: number;
  readonly changed: (companion: Companion) => void;
  readonly failed: (companion: Companion, error: unknown) => void;
}

/** The lives that are remembered: enough for a loop of crashes, little enough for 200 KB a CI. */
const maxHistory = 40;
/** What a view names; more services than this in one container are its lesser ones. */
const maxServices = 5;
/** A process and the port it listens on; a port alone may be a passing one. */
const sureConfidence = 0.95;
/** More ports than this make no service. */
const maxObserved = 16;
/** Looks at services are spread by this part of their interval, so that many CIs don't look at once. */
const jitter = 0.25;
/** A container that just started is looked at again this soon: its service may need a moment to listen. */
const firstLookMs = 1000;

/** SIGINT, SIGQUIT, SIGKILL and SIGTERM: what a stop or a kill sends to end a process; others ask it to do something. */
const endingSignals: ReadonlySet<number> = new Set([2, 3, 9, 15]);
/** A death this long after the signal was asked for; an engine that loses patience sends another. */
const askedWindowMs = 10 * 60_000;

export class Companion {
  readonly ci: string;
  readonly #around: Surroundings;
  readonly #end = new AbortController();
  readonly #loop: Promise<void>;
  #state: ContainerState;
  #health: Health;
  #services: readonly ServiceClaim[] = [];
  #intent: ContainerIntent | undefined;
  #history: LifeEvent[] = [];
  /** Ports of services that were surely seen in this life: what is expected of a container without a manifest. */
  #observed: readonly number[] = [];
  #wake = new AbortController();
  #nextLook = 0;
  #askedAt: number | undefined;

  constructor(ci: string, state: ContainerState, around: Surroundings) {
    this.ci = ci;
    this.#around = around;
    this.#state = state;
    const at = around.now();
    this.#intent = around.intentOf(state.labels);
    this.#health = makeHealth(state.status === 'running' ? 'starting' : 'stopped', at);
    if (state.startedAt) this.#remember({ at: state.startedAt.getTime(), type: 'start' });
    if (state.finishedAt && state.status !== 'running') this.#rememberEnd(state);
    this.#loop = this.#run();
  }

  get state(): ContainerState {
    return this.#state;
  }

  get health(): Health {
    return this.#health;
  }

  get history(): readonly LifeEvent[] {
    return this.#history;
  }

  get intent(): ContainerIntent | undefined {
    this.#intent ??= this.#around.intentOf(this.#state.labels);
    return this.#intent;
  }

  view(): CiView {
    const identity = identityOf(this.#state);
    return {
      ci: this.ci,
      containerId: this.#state.id,
      containerName: this.#state.name,
      project: identity?.project ?? '',
      manifestDigest: identity?.manifestDigest ?? '',
      image: this.#state.image,
      status: this.#state.status,
      health: this.#health.status,
      services: this.#services
        .slice(0, maxServices)
        .map(({ name, confidence, ports }) => ({ name, confidence, ports })),
      since: new Date(this.#health.since).toISOString(),
    };
  }

  /** An event of the engine; the state that follows from it is handed in by `see`. */
  hear(event: EngineEvent): void {
    const at = event.at.getTime();
    if (event.type === 'start' || event.type === 'oom') this.#remember({ at, type: event.type });
    if (event.type === 'kill' && endingSignals.has(event.signal ?? 0)) this.#askedAt = at;
    if (event.type === 'die') {
      const asked = this.#askedAt !== undefined && at - this.#askedAt <= askedWindowMs;
      this.#askedAt = undefined;
      this.#remember({
        at,
        type: 'die',
        ...(event.exitCode === undefined ? {} : { exitCode: event.exitCode }),
        ...(asked ? { asked } : {}),
      });
    }
  }

  /** The state as the engine tells it now. */
  see(state: ContainerState): void {
    const restarted = state.startedAt?.getTime() !== this.#state.startedAt?.getTime();
    this.#health = afterState(this.#health, state, this.#around.now(), restarted);
    if (restarted) this.#observed = [];
    this.#state = state;
    if (state.status !== 'running') {
      this.#services = [];
      this.#rememberEnd(state);
    }
    this.#nextLook = 0;
    this.#around.changed(this);
    this.#wake.abort();
  }

  async end(): Promise<void> {
    this.#end.abort();
    await this.#loop;
  }

  /** One probe after another, never two at once; a look at the services when it is time. */
  async #run(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        if (this.#state.status === 'running') await this.#around.limit(() => this.#check(signal));
      } catch (error) {
        if (!signal.aborted) this.#around.failed(this, error);
      }
      const { refreshMs } = this.#around;
      const check = this.intent?.container.health;
      const probeMs = intervalOf(check, this.#health.status === 'starting');
      const lookMs = check ? probeMs : Math.min(probeMs, refreshMs);
      const pause = this.#state.status === 'running' ? lookMs : refreshMs;
      await sleep(pause, undefined, { signal: AbortSignal.any([signal, this.#wake.signal]) }).catch(() => undefined);
    }
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { engine, now, random, refreshMs } = this.#around;
    const state = this.#state;
    const container = this.intent?.container;
    const check = container?.health;
    const ports = container ? expectedPorts(container) : this.#observed;
    const got = await probe(engine, state, { check, ports }, { now, signal });
    // The container may have ended or started anew meanwhile: then the answer is about another life.
    if (signal.aborted || this.#state !== state) return;
    this.#health = afterProbe(this.#health, got, patienceOf(check), state.startedAt?.getTime() ?? 0);
    if (now() >= this.#nextLook) {
      const isFirst = this.#services.length === 0 && this.#nextLook === 0;
      this.#nextLook =
        now() + (isFirst ? Math.min(firstLookMs, refreshMs) : refreshMs * (1 - jitter + 2 * jitter * random()));
      const [processes, sockets] = [
        await engine.processes(state.id, { signal }),
        await engine.sockets(state.id, { signal }),
      ];
      if (this.#state !== state) return;
      const { image, environmentNames } = state;
      this.#services = nameServices({
        processes,
        sockets,
        image,
        environmentNames,
        declaredPorts: container?.ports ?? [],
      });
      const sure = this.#services.filter(({ confidence }) => confidence >= sureConfidence);
      this.#observed = [...new Set([...this.#observed, ...sure.flatMap(({ ports: seen }) => seen)])].slice(
        0,
        maxObserved,
      );
    }
    this.#around.changed(this);
  }

  /** An end that no event told of, since the engine or this stack was away. */
  #rememberEnd(state: ContainerState): void {
    const at = state.finishedAt?.getTime();
    if (at === undefined || state.exitCode === undefined) return;
    const last = this.#history.findLast(({ type }) => type === 'die');
    const startedAt = state.startedAt?.getTime() ?? 0;
    if (last !== undefined && last.at >= startedAt) return;
    this.#remember({ at, type: 'die', exitCode: state.exitCode });
  }

  #remember(event: LifeEvent): void {
    const last = this.#history.at(-1);
    // The start that was read with the state may be told again as an event.
    if (event.type === 'start' && last?.type === 'start') this.#history.pop();
    this.#history.push(event);
    if (this.#history.length > maxHistory) this.#history.shift();
  }
}
