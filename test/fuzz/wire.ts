// The other end of a driver that asks: a network that answers as it is told, and what is true in answers around a spoilt one.
import assert from 'node:assert/strict';
import { type Database, type Network, openDatabase, RegistryError, registryMigrations } from '#registry';
import { Membership, RosterStore } from '#registry/roster';
import { readValue, toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';
import { below, type Chance, oneOf } from './mutate.ts';
import * as wares from './wares.ts';

const { mesh, owner, statements } = wares;
const { signal } = new AbortController();
/** Who asks. */
export const self = identityOf('self');

/** A network whose only other side says what it is told to; what is served is kept, to be asked. */
export class Wire {
  readonly served = new Map<string, (request: Uint8Array) => Promise<Uint8Array>>();
  /** Undefined where it doesn't answer. */
  answer: (protocol: string, request: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array> = () => undefined;

  get network(): Network {
    const request = async (_: string, protocol: string, bytes: Uint8Array): Promise<Uint8Array> => {
      const answer = await this.answer(protocol, bytes);
      if (answer) return answer;
      throw new RegistryError('unreachable', 'Cannot reach it');
    };
    const requestWithKey = (_: unknown, __: unknown, protocol: string, bytes: Uint8Array) =>
      request('', protocol, bytes);
    const serve = (protocol: string, _: unknown, handler: (request: Uint8Array, from: object) => Promise<Uint8Array>) =>
      void this.served.set(protocol, (bytes) => handler(bytes, { from: owner.stack, signal }));
    const rest = { stack: self.stack, connected: () => [owner.stack], disconnect: async () => undefined };
    return {
      ...rest,
      request,
      requestWithKey,
      serve,
      publish: () => undefined,
      subscribe: () => () => undefined,
    } as unknown as Network;
  }
}

export const openStore = (): Database => openDatabase(':memory:', [registryMigrations]);

/** The input in the place of one of the first answers; before it what is true, and after it nothing most of the time. */
export function oneSpoilt(
  input: Uint8Array,
  truths: readonly Uint8Array[],
  chance: Chance,
): () => Uint8Array | undefined {
  const place = below(chance, truths.length);
  let asked = 0;
  return () => {
    const at = asked;
    asked += 1;
    if (at === place) return input;
    return at < place || chance() < 0.3 ? truths[at % truths.length] : undefined;
  };
}

/** Errors that end an exchange are answers that can't be read, or of the network; nothing else may come out of one. */
export function gateOf(error: unknown): string {
  const isKnown = error instanceof RegistryError || (error instanceof Error && /cannot be read/.test(error.message));
  assert.ok(isKnown, error instanceof Error ? error.stack : String(error));
  return error instanceof RegistryError ? error.code : 'shape';
}

export const resigned =
  (all: readonly Uint8Array[]) =>
  (chance: Chance, odd: readonly unknown[]): Uint8Array =>
    toBytes(wares.resignWithin(readValue(oneOf(chance, all)), chance, odd));

/** The roster of the mesh of the wares, as a member has it that knows so many statements. */
export function openMembership(count = 2): { membership: Membership; database: Database } {
  const database = openStore();
  const membership = new Membership(new RosterStore(database), self, () => 5_000);
  membership.enter(mesh, statements.slice(0, count));
  return { membership, database };
}
