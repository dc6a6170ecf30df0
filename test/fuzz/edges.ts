// What the daemon reads of others and of its disk: frames of streams, calls between stacks, and rows of its own database.
import assert from 'node:assert/strict';
import type { Stream } from '@libp2p/interface';
import { encode as encodeCbor } from 'cborg';
import { z } from 'zod';
import {
  type Channel,
  type Clock,
  type Database,
  MemoryHub,
  type Network,
  openDatabase,
  openRegistry,
  type Registry,
  RegistryError,
  registryMigrations,
  systemClock,
} from '#registry';
import { keepChannel } from '../../daemon/libp2p/channel.ts';
import { receive } from '../../daemon/libp2p/exchange.ts';
import { problemOf } from '../../daemon/problem.ts';
import { operationProtocol, serveOperations } from '../../daemon/remote.ts';
import { fromBytes } from '../../registry/wire.ts';
import { identityOf, noteKind, silentLog } from '../support/constellation.ts';
import type { Target } from './fuzz.ts';
import { below, type Chance, oneOf } from './mutate.ts';

const maxFrame = 2_000;
const { signal } = new AbortController();
const bounds = { signal, maxResponseBytes: 1024 * 1024 };

/** Bytes as a stream hands them over: in parts of any length. */
function* parted(bytes: Uint8Array, chance: Chance): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; ) {
    const size = 1 + below(chance, chance() < 0.5 ? 4 : 900);
    yield bytes.slice(at, at + size);
    at += size;
  }
}

function frameOf(chance: Chance): Uint8Array {
  const size = below(chance, 600);
  const frame = Buffer.alloc(4 + size, 0x61);
  frame.writeUInt32BE(size);
  return new Uint8Array(frame);
}

/** One message of an exchange: it comes out as it was sent, or not at all. */
const exchanged: Target = {
  name: 'a message of an exchange',
  valid: frameOf,
  decodes: (bytes) => bytes.byteLength >= 4,
  async take(bytes, chance) {
    const stream = {
      [Symbol.asyncIterator]: async function* () {
        yield* parted(bytes, chance);
      },
      abort: () => undefined,
    };
    try {
      const message = await receive(stream as unknown as Stream, maxFrame, { signal });
      assert.equal(message.byteLength, bytes.byteLength - 4);
      return 'taken';
    } catch (error) {
      assert.ok(error instanceof RegistryError, String(error));
      return error.code;
    }
  },
  least: { taken: 0.01, refused: 0.3 },
};

/** Frames on a stream that stays open: none longer than its bound is handed on, and no more is kept than one of them. */
const channelled: Target = {
  name: 'frames on a channel',
  valid: (chance) => new Uint8Array(Buffer.concat(Array.from({ length: 1 + below(chance, 5) }, () => frameOf(chance)))),
  decodes: (bytes) => bytes.byteLength >= 4,
  take(bytes, chance) {
    let isAborted = false;
    let heard = 0;
    const stream = Object.assign(new EventTarget(), {
      ...{
        status: 'open',
        writeStatus: 'writable',
        writeBufferLength: 0,
        send: () => true,
        close: async () => undefined,
      },
      abort: () => {
        isAborted = true;
      },
    });
    const listener = {
      message(message: Uint8Array) {
        assert.ok(message.byteLength <= maxFrame);
        heard += 1;
      },
      closed: () => undefined,
    };
    keepChannel(stream as unknown as Stream, 'x', { maxMessageBytes: maxFrame }, (_: Channel) => listener);
    for (const data of parted(bytes, chance)) {
      if (!isAborted) stream.dispatchEvent(Object.assign(new Event('message'), { data }));
    }
    return isAborted ? 'too long' : heard > 0 ? 'heard' : 'waits';
  },
  least: { heard: 0.05, 'too long': 0.1 },
};

/** Calls of another stack: each is answered with a result or a fault under a code, and none as a fault of this stack. */
async function operations(parts: AsyncDisposableStack): Promise<Target> {
  const hub = new MemoryHub();
  const [one, two] = [hub.open(identityOf('one')), hub.open(identityOf('two'))] as [Network, Network];
  for (const network of [one, two]) {
    parts.use(network);
    network.setGate(() => 'member');
  }
  await one.connect(two.stack, two.addresses(), { signal });
  let count = 0;
  let seen: string | undefined;
  const calls = [
    { operation: 'look', input: { at: 'x', all: true }, principal: { name: 'owner', role: 'admin' } },
    {
      operation: 'ci_ask',
      input: { ci: 'a', question: 'b', list: [1, { two: null }] },
      principal: { name: 'anna', role: 'viewer' },
    },
  ];
  const answer = z.union([
    z.strictObject({ result: z.unknown() }),
    z.strictObject({
      error: z.strictObject({ code: z.string(), message: z.string().max(2_000), mend: z.string().optional() }),
    }),
  ]);
  return {
    name: 'a call between stacks',
    valid: (chance) => encodeCbor(oneOf(chance, calls)),
    async before() {
      // Calls are limited by the machine's own minute: who serves anew begins a new one.
      if (count % 250 === 0) {
        serveOperations(
          two,
          () => 'viewer',
          async (operation, input, principal) => {
            assert.equal(principal.role, 'viewer');
            assert.ok(!principal.name.includes('@'));
            seen = operation;
            return input;
          },
          problemOf,
        );
      }
      count += 1;
    },
    async take(bytes) {
      seen = undefined;
      const told = await one.request(two.stack, operationProtocol, bytes, bounds).catch((error: unknown) => {
        // Longer calls than 64 KiB don't get as far as to who reads them.
        assert.ok(
          error instanceof RegistryError && error.code === 'too-large' && bytes.byteLength > 65_536,
          String(error),
        );
      });
      if (!told) return 'too long';
      const read = fromBytes(answer, told, 2 ** 20);
      assert.ok(read, 'an answer has its shape');
      if ('error' in read) {
        assert.ok(['bad-input', 'too-large'].includes(read.error.code), `${read.error.code}: ${read.error.message}`);
        return read.error.code;
      }
      assert.notEqual(seen, undefined);
      return 'carried';
    },
    least: { 'bad-input': 0.2, carried: 0.05 },
  };
}

const blobs = [
  ...[
    'registry_statement.wire',
    'registry_head.bytes',
    'registry_head.signature',
    'registry_head.nonce',
    'registry_head.hash',
  ],
  ...['registry_delta.wire', 'registry_record.body', 'registry_record.hash'],
];

/** The machine's clock, but for timers of a registry that failed to open: they keep no process alive. */
const unkept: Clock = {
  ...systemClock,
  after(ms, act) {
    const timer = setTimeout(act, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Bytes that rot on the disk: a registry opens with the rest of them or says what is broken, and reads go on. */
export async function stored(): Promise<Target> {
  const identity = identityOf('stored');
  const open = (database: Database, network: Network): Promise<Registry> =>
    openRegistry({
      ...{ database, identity, name: 'stored', network, kinds: [noteKind], mayStand: () => undefined },
      ...{ clock: unkept, log: silentLog, random: (size: number) => new Uint8Array(size).fill(3) },
    });
  /** A database with what a first run leaves, and what is in it. */
  const fill = async (): Promise<{ database: Database; kept: { place: string; bytes: Uint8Array }[] }> => {
    const database = openDatabase(':memory:', [registryMigrations]);
    await using network = new MemoryHub().open(identity);
    await using registry = await open(database, network);
    registry.write([{ kind: 'note', name: 'a', body: { text: 'x' } }]);
    const kept = blobs.flatMap((place) => {
      const [table, column] = place.split('.');
      const rows = database.prepare<{ bytes: Uint8Array }>(`SELECT ${column} AS bytes FROM ${table}`).all();
      return rows.map(({ bytes }) => ({ place, bytes: new Uint8Array(bytes) }));
    });
    return { database, kept };
  };
  const { kept } = await fill();
  return {
    name: 'bytes of the own database',
    valid: (chance) => oneOf(chance, kept).bytes,
    async take(bytes, chance) {
      const { database, kept: rows } = await fill();
      using _ = database;
      const { place, bytes: old } = oneOf(chance, rows);
      const [table, column] = place.split('.');
      const sql = `UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`;
      assert.equal(database.prepare(sql).run(Buffer.from(bytes), Buffer.from(old)).changes, 1);
      try {
        await using network = new MemoryHub().open(identity);
        await using registry = await open(database, network);
        registry.directory.list({ kind: 'note', includeUnreachable: true });
        registry.members();
        registry.write([{ kind: 'note', name: 'b', body: { text: 'y' } }]);
        return 'opened';
      } catch (error) {
        assert.ok(error instanceof RegistryError, `${place}: ${error instanceof Error ? error.stack : String(error)}`);
        return error.code;
      }
    },
    least: { opened: 0.1 },
  };
}

/** What comes by a stream; bytes of the own database come from nobody, and each of them opens a registry. */
export async function edges(parts: AsyncDisposableStack): Promise<Target[]> {
  return [exchanged, channelled, await operations(parts)];
}
