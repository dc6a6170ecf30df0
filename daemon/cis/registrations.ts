// CIs that registered themselves over Hermes's routes: their tokens, their heartbeats, and when they are let go.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { DaemonError } from '../errors.ts';
import type { CiRecord } from '../kinds.ts';
import type { RegistrationRow, Registrations } from '../store.ts';
import type { Correspondent, MessageFormat } from './formats.ts';
import { messageFormats } from './formats.ts';

/** Terma's own limits, the only ones of the family that act: stale at 3 intervals, gone at 180 s. */
const defaultIntervalMs = 30_000;
const staleIntervals = 3;
const deregisterMs = 180_000;
/** How often the clock is looked at; a state changes at most this much late. */
const sweepMs = 5_000;
/** What one stack serves; a feed holds 10,000 records. */
const maxRegistrations = 1_000;

export interface Registration {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly endpoint: string;
  readonly messageEndpoint: string;
  readonly messageFormat: MessageFormat;
  readonly headers: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly authenticated: boolean;
  readonly intervalMs: number;
  /** Unix time in milliseconds. */
  readonly registeredAt: number;
  readonly lastHeartbeat: number | undefined;
  readonly stale: boolean;
}

export type Registering = Omit<
  Registration,
  'id' | 'registeredAt' | 'lastHeartbeat' | 'stale' | 'intervalMs' | 'messageFormat'
> & {
  readonly id?: string | undefined;
  readonly messageFormat: string;
  readonly intervalMs?: number | undefined;
};

/** Who speaks for a CI: itself with its token, or the owner of the stack; neither is a program that registered without one. */
export interface Speaker {
  readonly token: string | undefined;
  readonly isOwner: boolean;
}

export interface LocalCis extends AsyncDisposable {
  list(): readonly Registration[];
  find(idOrName: string): Registration | undefined;
  /** Throws `bad-input` for a taken name or an unusable endpoint, `busy` when there are too many. */
  register(registering: Registering): { readonly registration: Registration; readonly token: string };
  /** Throws `unauthenticated` for a wrong token, `not-found` for an unknown id. */
  heartbeat(idOrName: string, by: Speaker): Registration;
  unregister(idOrName: string, by: Speaker): void;
  /** Lets go of a CI whose name a container's CI has now: nobody answers in place of a container. */
  giveWay(name: string): void;
}

interface Options {
  readonly rows: Registrations;
  /** Writes or removes the CI's record; called inside the transaction that changes the registration. */
  readonly publish: (name: string, record: CiRecord | undefined) => void;
  readonly transaction: <T>(change: () => T) => T;
  /** Undoes what was kept in memory, where the transaction that is open, or one around it, is taken back. */
  readonly afterRollback: (undo: () => void) => void;
  /** Whether another CI of this stack has the name. */
  readonly isTaken: (name: string) => boolean;
  /** Milliseconds since 1970, to be shown. */
  readonly now: () => number;
  /** Milliseconds that never go back, by which silence is judged: a clock that is set must not let everybody go. */
  readonly monotonic: () => number;
  readonly log: Logger;
}

/** Registrations outlive the daemon: after a start, each has as long to say something as when it registered. */
export function openLocalCis(options: Options): LocalCis {
  const { rows, publish, transaction, isTaken, now, monotonic, log } = options;
  const known = new Map<string, Registration>();
  const ids = new Map<string, string>();
  const tokens = new Map<string, string>();
  const heard = new Map<string, number>();
  for (const row of rows.list()) {
    const registration = { ...(JSON.parse(row.body) as Registration), stale: false, lastHeartbeat: now() };
    known.set(row.id, registration);
    ids.set(registration.name, row.id);
    tokens.set(row.id, row.tokenHash);
    heard.set(row.id, monotonic());
  }

  const byName = (name: string): Registration | undefined => known.get(ids.get(name.toLowerCase()) ?? '');
  // A name means the CI that has it, also where another one took that word as its id.
  const find = (idOrName: string): Registration | undefined => byName(idOrName) ?? known.get(idOrName);

  /** Within one commit the next one must see this already; should the commit fail, it never was. */
  const remember = <Value>(map: Map<string, Value>, key: string, value: Value | undefined): void => {
    const before = map.get(key);
    const set = (one: Value | undefined): void => void (one === undefined ? map.delete(key) : map.set(key, one));
    options.afterRollback(() => set(before));
    set(value);
  };

  const keep = (registration: Registration, tokenHash: string): void =>
    transaction(() => {
      rows.put(rowOf(registration, tokenHash));
      publish(registration.name, recordOf(registration));
      remember(known, registration.id, registration);
      remember(ids, registration.name, registration.id);
      remember(tokens, registration.id, tokenHash);
    });

  const drop = ({ id, name }: Registration): void =>
    transaction(() => {
      rows.remove(id);
      publish(name, undefined);
      remember(known, id, undefined);
      remember(ids, name, undefined);
      remember(tokens, id, undefined);
      remember(heard, id, undefined);
    });

  /** A component that registered without a token may also beat and leave without one, as Tekton's components do. */
  const owned = (idOrName: string, { token, isOwner }: Speaker): Registration => {
    const registration = find(idOrName);
    if (!registration) throw new DaemonError('not-found', `Cannot find a CI "${idOrName}": it isn't registered here`);
    const matches = token !== undefined && tokens.get(registration.id) === hash(token);
    if (!matches && (token !== undefined || (registration.authenticated && !isOwner))) {
      throw new DaemonError('unauthenticated', 'Invalid authentication token');
    }
    return registration;
  };

  const sweep = setInterval(() => {
    for (const one of known.values()) {
      const silentMs = monotonic() - (heard.get(one.id) ?? 0);
      if (silentMs >= deregisterMs) {
        log.info({ ci: one.name, silentMs }, 'deregistered');
        drop(one);
      } else if (silentMs >= staleIntervals * one.intervalMs && !one.stale) {
        keep({ ...one, stale: true }, tokens.get(one.id) ?? '');
      }
    }
  }, sweepMs);
  sweep.unref();

  return {
    list: () => [...known.values()],
    find,
    register(registering) {
      const name = registering.name.toLowerCase();
      const same = (registering.id === undefined ? undefined : known.get(registering.id)) ?? byName(name);
      if (!same && known.size >= maxRegistrations) {
        throw new DaemonError('busy', `Cannot register "${name}": ${maxRegistrations} CIs are registered here`);
      }
      if (same ? same.name !== name || !mayReplace(same, registering) : isTaken(name)) {
        throw new DaemonError('bad-input', `Cannot register "${name}": the name is taken`, {
          mend: 'take another name, or unregister the one that has it',
        });
      }
      const registration: Registration = {
        ...registering,
        name,
        id:
          registering.id ?? same?.id ?? `${registering.type}-${name.replaceAll(' ', '-')}-${randomUUID().slice(0, 8)}`,
        endpoint: checkedEndpoint(registering),
        messageFormat: checkedFormat(registering.messageFormat),
        intervalMs: registering.intervalMs ?? defaultIntervalMs,
        registeredAt: now(),
        lastHeartbeat: now(),
        stale: false,
      };
      const token = randomBytes(32).toString('base64url');
      if (same && same.id !== registration.id) drop(same);
      keep(registration, hash(token));
      remember(heard, registration.id, monotonic());
      log.info({ ci: name, type: registration.type, authenticated: registration.authenticated }, 'registered');
      return { registration, token };
    },
    heartbeat(idOrName, by) {
      const registration = { ...owned(idOrName, by), lastHeartbeat: now() };
      heard.set(registration.id, monotonic());
      if (registration.stale) keep({ ...registration, stale: false }, tokens.get(registration.id) ?? '');
      else known.set(registration.id, registration);
      return registration;
    },
    unregister(idOrName, by) {
      drop(owned(idOrName, by));
    },
    giveWay(name) {
      const one = byName(name);
      if (!one) return;
      log.warn({ ci: name, id: one.id }, "deregistered: a container's CI has the name");
      drop(one);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(sweep);
    },
  };
}

/** How a registered CI is reached. */
export function correspondentOf(registration: Registration): Correspondent {
  const { name, endpoint, messageEndpoint, messageFormat, headers } = registration;
  return { name, endpoint, messageEndpoint, messageFormat, headers };
}

/** Who proved who it is may; a stranger only renews what it registered itself, or takes the place of what fell silent. */
function mayReplace(same: Registration, registering: Registering): boolean {
  if (registering.authenticated) return true;
  return !same.authenticated && (same.endpoint === registering.endpoint || same.stale);
}

function recordOf(registration: Registration): CiRecord {
  const { description } = registration.metadata;
  return {
    name: registration.name,
    type: registration.type,
    ...(typeof description === 'string' ? { description: description.slice(0, 256) } : {}),
    endpoint: registration.endpoint,
    messageFormat: registration.messageFormat,
    capabilities: registration.capabilities.slice(0, 50).map((capability) => capability.slice(0, 256)),
    health: registration.stale ? 'stale' : 'healthy',
    services: [],
    ...(registration.authenticated ? {} : { unauthenticated: true }),
  };
}

/** An endpoint that was registered without a token may only be on this machine: a stack is no proxy for strangers. */
function checkedEndpoint({ endpoint, messageEndpoint, authenticated, name }: Registering): string {
  if (!URL.canParse(endpoint) || !URL.canParse(messageEndpoint, endpoint)) {
    throw new DaemonError('bad-input', `Cannot register "${name}": "${endpoint}" isn't a URL`, {
      mend: 'for example "http://127.0.0.1:9000"',
    });
  }
  const { hostname, protocol, origin } = new URL(endpoint);
  if (!['http:', 'https:', 'tcp:'].includes(protocol)) {
    throw new DaemonError('bad-input', `Cannot register "${name}": "${protocol}" isn't spoken`, {
      mend: 'use http, https or tcp',
    });
  }
  if (protocol !== 'tcp:' && new URL(messageEndpoint, endpoint).origin !== origin) {
    throw new DaemonError(
      'bad-input',
      `Cannot register "${name}": its message endpoint is on another host than its endpoint`,
    );
  }
  if (!authenticated && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
    throw new DaemonError(
      'forbidden',
      `Cannot register "${name}": without a token only an endpoint on this host is taken`,
      {
        mend: 'send the token of HOME/token as a bearer token',
      },
    );
  }
  return endpoint;
}

function checkedFormat(format: string): MessageFormat {
  const known = messageFormats.find((one) => one === format);
  if (known) return known;
  throw new DaemonError('bad-input', `Cannot speak the message format "${format}"`, {
    mend: `known are ${messageFormats.join(', ')}`,
  });
}

function rowOf(registration: Registration, tokenHash: string): RegistrationRow {
  return { id: registration.id, body: JSON.stringify(registration), tokenHash };
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
