// Clusters of Serf agents from Debian's package, with their LAN profile, and what of their RPC a row needs.
import { connect, type Socket } from 'node:net';
import type { TestHost } from '../../test/support/namespaces.ts';
import { decode, encode, type Value } from './msgpack.ts';
import { freePorts, type Peer, startPeer } from './process.ts';

const startAtOnce = 4;
const joinedWithinMs = 60_000;
/** Of an agent in a namespace of its own, where no other takes them. */
const ownPort = 7946;
const ownRpcPort = 7373;

export interface SerfAgent {
  readonly name: string;
  readonly peer: Peer;
  /** `host:port`; only from within its namespace, where it has one. */
  readonly rpc: string;
  /** When it last said so of another agent, on the bench's clock. */
  readonly failed: Map<string, number>;
  readonly joined: Map<string, number>;
}

export interface SerfCluster extends AsyncDisposable {
  readonly agents: readonly SerfAgent[];
}

/** Resolves once each agent has told of all others. */
export async function startSerf(names: readonly string[], hosts?: readonly TestHost[]): Promise<SerfCluster> {
  await using parts = new AsyncDisposableStack();
  const ports = hosts ? [] : await freePorts(names.length * 2);
  const agents: SerfAgent[] = [];
  const first = hosts ? `${hosts[0]?.address}:${ownPort}` : `127.0.0.1:${ports[0]}`;
  for (let from = 0; from < names.length; from += startAtOnce) {
    const batch = names.slice(from, from + startAtOnce).map(async (name, offset) => {
      const index = from + offset;
      const host = hosts?.[index];
      const bind = host ? `${host.address}:${ownPort}` : `127.0.0.1:${ports[index * 2]}`;
      const rpc = `127.0.0.1:${host ? ownRpcPort : ports[index * 2 + 1]}`;
      const failed = new Map<string, number>();
      const joined = new Map<string, number>();
      const words = ['serf', 'agent', `-node=${name}`, `-bind=${bind}`, `-rpc-addr=${rpc}`, '-profile=lan'];
      const peer = await startPeer(
        [...(host?.command ?? []), ...words, ...(index === 0 ? [] : [`-retry-join=${first}`, '-retry-interval=1s'])],
        /Serf agent running/,
        (line, at) => {
          const match = /serf: EventMember(Join|Failed): (\S+)/.exec(line);
          if (match?.[2]) (match[1] === 'Join' ? joined : failed).set(match[2], at);
        },
      );
      parts.use(peer);
      agents[index] = { name, peer, rpc, failed, joined };
    });
    const settled = await Promise.allSettled(batch);
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
  }
  const end = performance.now() + joinedWithinMs;
  while (agents.some(({ joined }) => joined.size < names.length)) {
    if (performance.now() > end) throw new Error(`The ${names.length} Serf agents did not find one another`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const all = parts.move();
  return { agents, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

export interface SerfClient extends Disposable {
  /** Sends a user event; resolves once the agent took it. */
  event(name: string): Promise<void>;
  /** Tells of each user event that the agent sees. */
  follow(told: (name: string) => void): Promise<void>;
}

/** Serf's RPC: each message a header map and, for some, a body map. */
export async function openSerfClient(rpc: string): Promise<SerfClient> {
  const [host = '', port = ''] = rpc.split(':');
  const socket: Socket = connect({ host, port: Number(port), noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let followed: { readonly sequence: number; readonly told: (name: string) => void } | undefined;
  let sequence = 0;
  let buffer = Buffer.alloc(0);
  /** Whether the next value is an event, which follows a header of the stream. */
  let eventIsNext = false;
  socket.on('data', (part) => {
    buffer = Buffer.concat([buffer, part]);
    for (;;) {
      const read = decode(buffer);
      if (!read) return;
      buffer = buffer.subarray(read.end);
      const map = read.value as Readonly<Record<string, Value>>;
      if (eventIsNext) {
        eventIsNext = false;
        followed?.told(String(map['Name']));
        continue;
      }
      const of = Number(map['Seq']);
      const answered = waiting.get(of);
      if (answered) {
        waiting.delete(of);
        if (map['Error']) answered.reject(new Error(`Serf: ${String(map['Error'])}`));
        else answered.resolve();
      } else if (of === followed?.sequence) eventIsNext = true;
    }
  });
  const call = (command: string, body: Value): Promise<void> => {
    const answered = Promise.withResolvers<void>();
    waiting.set(sequence, answered);
    socket.write(Buffer.concat([encode({ Command: command, Seq: sequence }), encode(body)]));
    sequence += 1;
    return answered.promise;
  };
  await call('handshake', { Version: 1 });
  return {
    event: (name) => call('event', { Name: name, Payload: new Uint8Array(), Coalesce: false }),
    async follow(told) {
      followed = { sequence, told };
      await call('stream', { Type: 'user' });
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}
