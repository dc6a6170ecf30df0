// What happened, as a durable stream of CloudEvents 1.0 that can be read again from any position that is still kept.

import { type Database, Wakeup } from '#registry';
import { GovernanceError } from './errors.ts';
import { type EventRow, makeStore } from './store.ts';

/** The JSON form of CloudEvents 1.0, with the position in this stack's stream as an extension attribute. */
export interface Event {
  readonly specversion: '1.0';
  readonly id: string;
  /** `/stacks/<stack id>`. */
  readonly source: string;
  readonly type: EventType;
  /** RFC 3339, in UTC. */
  readonly time: string;
  /** What it happened to, such as `containers/web`. */
  readonly subject?: string;
  readonly datacontenttype: 'application/json';
  readonly data: unknown;
  /** Grows with each event; a reader goes on after it. */
  readonly position: number;
}

export type EventType = `io.hermesh.${string}.${string}`;

export interface EventPage {
  readonly events: readonly Event[];
  /** Where the next page begins; as it was given when there is nothing new. */
  readonly position: number;
  /** Whether events after the position given were let go before this read. */
  readonly missed: boolean;
}

export interface EventsOptions {
  readonly database: Database;
  /** Its id: the source of every event. */
  readonly stack: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A new identifier, such as a UUID. */
  readonly newId: () => string;
  /** How many of the newest events stay. */
  readonly keep?: number;
}

/** Some months of a busy stack, and about 50 MB. */
const keepEvents = 100_000;
/** Like a record of the registry; what is larger is a blob that the event names. */
const maxDataBytes = 16 * 1024;
export const maxEventPage = 500;

export class Events {
  readonly #options: EventsOptions;
  readonly #store: ReturnType<typeof makeStore>;
  readonly #news = new Wakeup();

  /** The migrations of governance have been carried out on the database. */
  constructor(options: EventsOptions) {
    this.#options = options;
    this.#store = makeStore(options.database);
  }

  /**
   * Appends an event as part of the caller's transaction: rolled back with it. Throws `event-too-large` above 16 KiB of JSON,
   * `not-json` for what has none.
   */
  append(event: { readonly type: EventType; readonly subject?: string; readonly data: unknown }): Event {
    const { now, newId, keep = keepEvents } = this.#options;
    const data = JSON.stringify(event.data);
    if (data === undefined) throw new GovernanceError('not-json', `The data of event "${event.type}" is not JSON`);
    const sizeBytes = Buffer.byteLength(data);
    if (sizeBytes > maxDataBytes) {
      const message = `Cannot append event "${event.type}": its data has ${sizeBytes} bytes, and ${maxDataBytes} are allowed`;
      throw new GovernanceError('event-too-large', message);
    }
    const row = {
      id: newId(),
      type: event.type,
      time: new Date(now()).toISOString(),
      subject: event.subject ?? null,
      data,
    };
    const position = this.#store.appendEvent(row, keep);
    // Followers wake in a later microtask, when the synchronous transaction has ended one way or the other.
    this.#news.wake();
    return this.#eventOf({ ...row, position });
  }

  /** The events after a position (0: from the oldest), oldest first, at most `limit` (500) of them. */
  read(since: number, limit: number = maxEventPage): EventPage {
    const rows = this.#store.eventsAfter(since, Math.min(limit, maxEventPage));
    const { oldest, newest } = this.#store.eventBounds();
    const firstKept = oldest === 0 ? newest + 1 : oldest;
    return {
      events: rows.map((row) => this.#eventOf(row)),
      position: rows.at(-1)?.position ?? since,
      missed: since > 0 && since < firstKept - 1,
    };
  }

  /** The position of the newest event; following from here gives only what is yet to happen. */
  position(): number {
    return this.#store.eventBounds().newest;
  }

  /**
   * The events after a position and then each as it comes, until the signal aborts. The reader sets the pace and nothing is
   * queued for it; one so slow that events were let go meanwhile gets `events-gone`.
   */
  async *follow(since: number, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Event> {
    let position = since;
    while (!signal.aborted) {
      const page = this.read(position);
      if (page.missed) {
        throw new GovernanceError('events-gone', `Events after position ${position} are gone: begin again from 0`);
      }
      for (const event of page.events) {
        if (signal.aborted) return;
        yield event;
      }
      position = page.position;
      if (page.events.length === 0) await this.#news.next(signal);
    }
  }

  #eventOf({ id, type, time, subject, data, position }: EventRow): Event {
    return {
      specversion: '1.0',
      id,
      source: `/stacks/${this.#options.stack}`,
      type: type as EventType,
      time,
      ...(subject !== null && { subject }),
      datacontenttype: 'application/json',
      data: JSON.parse(data) as unknown,
      position,
    };
  }
}
