// All containers of an engine and their CIs: found through listing and events, kept through losses of the engine.
import { setTimeout as sleep } from 'node:timers/promises';
import { didYouMean } from '#manifests';
import { type CiView, Companion, type ContainerIntent, type Surroundings } from './companion.ts';
import type { ContainerState, Engine, EngineEvent } from './engine.ts';
import { EngineError, messageOf } from './error.ts';
import { readFacts } from './facts.ts';
import type { HealthStatus } from './health.ts';
import { identityOf, isAside } from './labels.ts';
import { type Answer, answer } from './mind.ts';
import { freeName, wantedName } from './names.ts';
import { makeNews } from './news.ts';

export interface CiChange {
  readonly type: 'appeared' | 'changed' | 'gone';
  readonly view: CiView;
}

export interface EngineState {
  readonly reachable: boolean;
  /** Why not. */
  readonly reason: string | undefined;
}

export interface ObserverParts {
  readonly engine: Engine;
  /** The manifest of a container, by its labels; asked again while it is undefined. */
  readonly intentOf: (labels: Readonly<Record<string, string>>) => ContainerIntent | undefined;
  /** The health of a CI that isn't of this engine; undefined where none is known. */
  readonly peerHealth: (ci: string) => HealthStatus | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
  /** How often services are looked at, in milliseconds, ± a quarter. */
  readonly refreshMs?: number;
}

export interface Observer extends AsyncDisposable {
  engineState(): EngineState;
  cis(): readonly CiView[];
  /** From now on; only what a reader cares about, and a slow reader gets the latest of each CI. */
  changes(options: { readonly signal: AbortSignal }): AsyncIterable<CiChange>;
  /** Throws `no-such-ci`. */
  ask(ci: string, question: string, options: { readonly signal: AbortSignal }): Promise<Answer>;
}

const defaultRefreshMs = 15_000;
/** Looks and probes at once: enough for many containers, few enough for the engine and this process. */
const maxAtOnce = 16;
/** The pause before the engine is asked again doubles from the first to the last. */
const firstPauseMs = 250;
const lastPauseMs = 15_000;

/** Resolves after the first listing, or with `engineState()` unreachable where that failed; it goes on trying. */
export async function openObserver(parts: ObserverParts): Promise<Observer> {
  const observer = new EngineObserver(parts);
  await observer.ready;
  return observer;
}

class EngineObserver implements Observer {
  readonly ready: Promise<void>;
  readonly #parts: ObserverParts;
  readonly #around: Surroundings;
  readonly #end = new AbortController();
  readonly #companions = new Map<string, Companion>();
  /** What was told last of each, to tell only what is new. */
  readonly #told = new Map<string, string>();
  readonly #news = makeNews<CiChange>(mergeChanges);
  readonly #following: Promise<void>;
  #state: EngineState = { reachable: false, reason: 'not asked yet' };
  #isReady: () => void = () => {};

  constructor(parts: ObserverParts) {
    this.#parts = parts;
    this.#around = {
      engine: parts.engine,
      intentOf: parts.intentOf,
      now: parts.now,
      random: parts.random,
      limit: makeLimit(maxAtOnce),
      refreshMs: parts.refreshMs ?? defaultRefreshMs,
      changed: (companion) => this.#tell(companion),
      failed: (companion, error) => {
        if (!(error instanceof EngineError && error.code === 'engine-unreachable'))
          parts.log.warn({ ci: companion.ci, error: messageOf(error) }, 'a look at the container failed');
      },
    };
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.#following = this.#follow(this.#end.signal);
  }

  engineState(): EngineState {
    return this.#state;
  }

  cis(): readonly CiView[] {
    return [...this.#companions.values()].map((companion) => companion.view()).sort((a, b) => (a.ci < b.ci ? -1 : 1));
  }

  changes(options: { readonly signal: AbortSignal }): AsyncIterable<CiChange> {
    return this.#news.read(options);
  }

  async ask(ci: string, question: string, { signal }: { readonly signal: AbortSignal }): Promise<Answer> {
    const { now, engine, peerHealth } = this.#parts;
    const companion = this.#find(ci);
    if (!companion) {
      const names = this.cis().map((view) => view.ci);
      const mend = didYouMean(ci, names) ?? 'list them to see their names';
      throw new EngineError('no-such-ci', `Cannot ask "${ci}": no container here has a CI of that name; ${mend}`);
    }
    const askedAt = now();
    const said = await answer(question, (intent) =>
      readFacts(
        engine,
        {
          ci,
          containerId: companion.state.id,
          intent: companion.intent?.container,
          health: companion.health,
          history: companion.history,
          dependencies: (companion.intent?.dependencies ?? []).map((one) => ({
            ...one,
            status: this.#dependencyHealth(companion, one.container, one.ci) ?? peerHealth(one.ci),
          })),
        },
        { now, usage: intent === 'usage', signal },
      ),
    );
    return { ci, question, ...said, askedAt: new Date(askedAt).toISOString(), ms: now() - askedAt };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#following;
    await Promise.all([...this.#companions.values()].map((companion) => companion.end()));
    this.#companions.clear();
    this.#news.close();
  }

  #find(ci: string): Companion | undefined {
    return [...this.#companions.values()].find((companion) => companion.ci === ci);
  }

  /** By project and name in the manifest first: two projects may have containers of one name. */
  #dependencyHealth(of: Companion, container: string, ci: string): HealthStatus | undefined {
    const project = identityOf(of.state)?.project;
    const sibling = [...this.#companions.values()].find(({ state }) => {
      const identity = identityOf(state);
      return project !== undefined && identity?.project === project && identity.container === container;
    });
    return (sibling ?? this.#find(ci))?.health.status;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      const round = new AbortController();
      try {
        // Listening starts before the listing, so that nothing falls between the two.
        const events = this.#parts.engine.events({ signal: AbortSignal.any([signal, round.signal]) });
        const reader = events[Symbol.asyncIterator]();
        let next = reader.next();
        next.catch(() => undefined);
        await this.#resync(signal);
        this.#setEngine({ reachable: true, reason: undefined });
        pauseMs = firstPauseMs;
        this.#isReady();
        for (let item = await next; !item.done; item = await next) {
          await this.#hear(item.value, signal);
          next = reader.next();
          next.catch(() => undefined);
        }
      } catch (error) {
        if (signal.aborted) break;
        this.#setEngine({ reachable: false, reason: messageOf(error) });
        this.#isReady();
      } finally {
        round.abort();
      }
      await sleep(pauseMs * (0.5 + this.#parts.random()), undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(lastPauseMs, pauseMs * 2);
    }
    this.#isReady();
  }

  #setEngine(state: EngineState): void {
    if (state.reachable === this.#state.reachable && state.reason === this.#state.reason) return;
    this.#state = state;
    if (state.reachable) this.#parts.log.info({ containers: this.#companions.size }, 'the engine is observed');
    else this.#parts.log.warn({ reason: state.reason }, 'the engine is lost');
  }

  async #resync(signal: AbortSignal): Promise<void> {
    const listed = await this.#parts.engine.containers({ signal });
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of [...this.#companions.keys()]) if (!ids.has(id)) await this.#forget(id);
    // The oldest first, and what stack and manifest name before strangers, so that names fall alike after a restart.
    for (const { id } of [...listed].reverse()) await this.#look(id, signal);
  }

  async #hear(event: EngineEvent, signal: AbortSignal): Promise<void> {
    if (event.type === 'destroy') {
      await this.#forget(event.containerId);
      return;
    }
    this.#companions.get(event.containerId)?.hear(event);
    await this.#look(event.containerId, signal);
  }

  async #look(id: string, signal: AbortSignal): Promise<void> {
    const state = await this.#inspect(id, signal);
    if (state === 'unreadable') return;
    if (state === undefined || isAside(state.name)) {
      await this.#forget(id);
      return;
    }
    const known = this.#companions.get(id);
    if (known) known.see(state);
    else this.#begin(state);
  }

  /** One container that the engine can't tell about takes nothing from the others: it is looked at again at its next event. */
  async #inspect(id: string, signal: AbortSignal): Promise<ContainerState | 'unreadable' | undefined> {
    try {
      return await this.#parts.engine.inspect(id, { signal });
    } catch (error) {
      if (signal.aborted || !(error instanceof EngineError) || error.code === 'engine-unreachable') throw error;
      this.#parts.log.warn({ container: id, error: error.message }, 'a container could not be read');
      return 'unreadable';
    }
  }

  #begin(state: ContainerState): void {
    const ci = freeName(wantedName(state), state.id, (name) => this.#find(name) !== undefined);
    const companion = new Companion(ci, state, this.#around);
    this.#companions.set(state.id, companion);
    this.#told.set(state.id, essenceOf(companion.view()));
    this.#news.tell(state.id, { type: 'appeared', view: companion.view() });
    this.#parts.log.info({ ci, container: state.name }, 'a CI begins');
  }

  async #forget(id: string): Promise<void> {
    const companion = this.#companions.get(id);
    if (!companion) return;
    this.#companions.delete(id);
    this.#told.delete(id);
    await companion.end();
    this.#news.tell(id, { type: 'gone', view: companion.view() });
    this.#parts.log.info({ ci: companion.ci, container: companion.state.name }, 'a CI ends');
  }

  #tell(companion: Companion): void {
    const { id } = companion.state;
    const view = companion.view();
    const essence = essenceOf(view);
    if (!this.#companions.has(id) || this.#told.get(id) === essence) return;
    this.#told.set(id, essence);
    this.#news.tell(id, { type: 'changed', view });
  }
}

/** What a reader cares about: not how sure a claim is, nor when something was last looked at. */
function essenceOf(view: CiView): string {
  return JSON.stringify({ ...view, since: '', services: view.services.map(({ name, ports }) => [name, ports]) });
}

function mergeChanges(waiting: CiChange, newer: CiChange): CiChange | undefined {
  if (waiting.type === 'appeared') return newer.type === 'gone' ? undefined : { type: 'appeared', view: newer.view };
  return newer;
}

/** At most `most` at once; the rest wait in order. */
function makeLimit(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = most;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
