// What every implementation of the network seam keeps, whatever carries it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Access,
  type Channel,
  type ChannelListener,
  type Identity,
  makeIdentity,
  type Network,
  type PeerEvent,
  RegistryError,
} from '#registry';
import { identityOf } from '../support/constellation.ts';
import { eventually } from '../support/deadline.ts';

/** Opens networks that can reach one another; each test gets a world of its own. */
export type OpenWorld = () => Promise<{ open(identity: Identity): Promise<Network> } & AsyncDisposable>;

const bounds = { maxRequestBytes: 1_000, timeoutMs: 2_000 };
const limits = { maxResponseBytes: 1_000 };
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) });
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const isCode =
  (...codes: string[]) =>
  (error: unknown): boolean =>
    error instanceof RegistryError && codes.includes(error.code);

/** Runs the suite for one implementation. */
export function networkContract(name: string, world: OpenWorld): void {
  const pair = async (gates: readonly [Access | undefined, Access | undefined] = ['member', 'member']) => {
    const stack = new AsyncDisposableStack();
    const at = stack.use(await world());
    const [one, two] = [identityOf('one'), identityOf('two')];
    const first = stack.use(await at.open(one));
    const second = stack.use(await at.open(two));
    first.setGate((peer) => (peer === two.stack ? gates[0] : undefined));
    second.setGate((peer) => (peer === one.stack ? gates[1] : undefined));
    return { first, second, at, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  };

  test(`${name}: a member that connects is seen at both sides, and a request is answered`, async () => {
    await using all = await pair();
    const { first, second } = all;
    second.serve('/echo/1.0.0', { access: 'member', ...bounds }, async (request, { from, access }) =>
      text(`${from === first.stack} ${access} ${new TextDecoder().decode(request)}`),
    );
    await first.connect(second.stack, second.addresses(), soon());
    await eventually('both know of it', () => second.connected().includes(first.stack));
    assert.deepEqual(first.connected(), [second.stack]);
    const answer = await first.request(second.stack, '/echo/1.0.0', text('hello'), { ...limits, ...soon() });
    assert.equal(new TextDecoder().decode(answer), 'true member hello');
  });

  test(`${name}: connections are told of as they come and go`, async () => {
    await using all = await pair();
    const { first, second } = all;
    const end = new AbortController();
    const seen: PeerEvent[] = [];
    const done = (async () => {
      for await (const event of second.events(end)) seen.push(event);
    })();
    await first.connect(second.stack, second.addresses(), soon());
    await eventually('connected', () => seen.length === 1);
    await first.disconnect(second.stack);
    await eventually('disconnected', () => seen.length === 2);
    end.abort();
    await done;
    assert.deepEqual(
      seen.map(({ type, stack }) => [type, stack === first.stack]),
      [
        ['connected', true],
        ['disconnected', true],
      ],
    );
  });

  test(`${name}: whom the other side does not let in is refused, and neither side calls it connected`, async () => {
    await using all = await pair(['member', undefined]);
    const { first, second } = all;
    await assert.rejects(first.connect(second.stack, second.addresses(), soon()), isCode('refused'));
    assert.deepEqual([...first.connected(), ...second.connected()], []);
  });

  test(`${name}: a stack dials no one but members`, async () => {
    await using all = await pair([undefined, 'member']);
    await assert.rejects(
      all.first.connect(all.second.stack, all.second.addresses(), soon()),
      isCode('refused', 'unreachable'),
    );
  });

  test(`${name}: where nobody answers, it is unreachable`, async () => {
    await using all = await pair();
    const addresses = all.second.addresses();
    await all.second[Symbol.asyncDispose]();
    await assert.rejects(all.first.connect(all.second.stack, addresses, soon()), isCode('unreachable'));
  });

  test(`${name}: an address that leads to another stack than the one meant is no connection`, async () => {
    await using all = await pair();
    const third = identityOf('three').stack;
    all.first.setGate(() => 'member');
    await assert.rejects(all.first.connect(third, all.second.addresses(), soon()), isCode('unreachable', 'refused'));
    assert.deepEqual(all.first.connected(), []);
  });

  test(`${name}: too long a request or answer is refused, and who serves is told whose request it was`, async () => {
    await using all = await pair();
    const { first, second } = all;
    const told: string[] = [];
    const refused = (from: string, why: string): void => void told.push(`${from === first.stack} ${why}`);
    second.serve('/long/1.0.0', { access: 'member', ...bounds, refused }, async () => new Uint8Array(2_000));
    await first.connect(second.stack, second.addresses(), soon());
    const ask = (request: Uint8Array) => first.request(second.stack, '/long/1.0.0', request, { ...limits, ...soon() });
    await assert.rejects(ask(new Uint8Array(1_001)), isCode('too-large', 'refused'));
    await assert.rejects(ask(new Uint8Array(1)), isCode('too-large'));
    assert.deepEqual(told, ['true too-large']);
  });

  test(`${name}: an answer that does not come in time is given up`, async () => {
    await using all = await pair();
    const { first, second } = all;
    second.serve('/never/1.0.0', { access: 'member', ...bounds, timeoutMs: 4_000 }, () => new Promise(() => {}));
    await first.connect(second.stack, second.addresses(), soon());
    const signal = AbortSignal.timeout(50);
    await assert.rejects(
      first.request(second.stack, '/never/1.0.0', text(''), { ...limits, signal }),
      isCode('timed-out'),
    );
  });

  test(`${name}: an invite opens what is served for invites, a member what is for members, and neither the other`, async () => {
    await using all = await pair();
    const { first, second } = all;
    const seed = identityOf('invite').seed;
    const key = makeIdentity(seed, seed).stack;
    second.setGate((peer) => (peer === first.stack ? 'member' : peer === key ? 'invite' : undefined));
    second.serve('/join/1.0.0', { access: 'invite', ...bounds }, async (_, { from }) => text(from));
    second.serve('/inner/1.0.0', { access: 'member', ...bounds }, async () => text('secret'));
    const ask = (protocol: string, secret = seed) =>
      first.requestWithKey(secret, second.addresses(), protocol, text(''), { ...limits, ...soon() });
    assert.equal(new TextDecoder().decode(await ask('/join/1.0.0')), key);
    await assert.rejects(ask('/inner/1.0.0'), isCode('refused'));
    await assert.rejects(ask('/join/1.0.0', identityOf('stranger').seed), isCode('refused'));
    await first.connect(second.stack, second.addresses(), soon());
    await assert.rejects(
      first.request(second.stack, '/join/1.0.0', text(''), { ...limits, ...soon() }),
      isCode('refused'),
    );
    assert.deepEqual(second.connected(), [first.stack]);
  });

  test(`${name}: a member that loses its right is asked for it again at the next stream`, async () => {
    await using all = await pair();
    const { first, second } = all;
    second.serve('/echo/1.0.0', { access: 'member', ...bounds }, async (request) => request);
    await first.connect(second.stack, second.addresses(), soon());
    second.setGate(() => undefined);
    await assert.rejects(
      first.request(second.stack, '/echo/1.0.0', text('x'), { ...limits, ...soon() }),
      isCode('refused'),
    );
  });

  const channels = async () => {
    const all = await pair();
    const { first, second } = all;
    const heard: string[] = [];
    const met: Channel[] = [];
    const ended: string[] = [];
    const listen = (who: string): ChannelListener => ({
      message: (bytes) => heard.push(`${who}: ${new TextDecoder().decode(bytes.subarray(0, 100))}`),
      closed: () => ended.push(who),
    });
    second.serveChannel('/talk/1.0.0', { maxMessageBytes: 64 * 1024 }, (channel) => {
      met.push(channel);
      return listen('second');
    });
    await first.connect(second.stack, second.addresses(), soon());
    const open = () => first.openChannel(second.stack, '/talk/1.0.0', listen('first'), soon());
    return { ...all, heard, met, ended, open };
  };

  test(`${name}: a channel carries messages both ways, in order, until one side ends it`, async () => {
    await using all = await channels();
    const { heard, met, ended, first, second } = all;
    const near = await all.open();
    assert.equal(near.stack, second.stack);
    for (const word of ['one', '', 'three']) assert.equal(near.send(text(word)), true);
    await eventually('heard there', () => heard.length === 3);
    assert.deepEqual(heard.splice(0), ['second: one', 'second: ', 'second: three']);
    assert.equal(met[0]?.stack, first.stack);
    met[0]?.send(text('back'));
    await eventually('heard here', () => heard.length === 1);
    assert.deepEqual(heard, ['first: back']);
    near[Symbol.dispose]();
    await eventually('ended there', () => ended.length > 0);
    assert.deepEqual(ended, ['second']);
    assert.equal(near.send(text('late')), false);
    assert.equal(met[0]?.send(text('late')), false);
    assert.deepEqual(first.connected(), [second.stack]);
  });

  test(`${name}: a channel ends at both sides with the connection`, async () => {
    await using all = await channels();
    await all.open();
    await eventually('both have it', () => all.met.length === 1);
    await all.first.disconnect(all.second.stack);
    await eventually('both know', () => all.ended.length === 2);
    assert.deepEqual([...all.ended].sort(), ['first', 'second']);
  });

  test(`${name}: a channel drops what is sent faster than it is read, keeps the rest in order, and goes on`, async () => {
    await using all = await channels();
    const near = await all.open();
    const taken: string[] = [];
    let dropped = 0;
    for (let at = 0; dropped === 0 && at < 10_000; at += 1) {
      const message = new Uint8Array(32 * 1024).fill(32);
      message.set(text(`${at}`));
      if (near.send(message)) taken.push(`${at}`);
      else dropped += 1;
    }
    assert.equal(dropped, 1);
    await eventually('all that was taken comes', () => all.heard.length === taken.length);
    assert.deepEqual(
      all.heard.map((line) => line.split(' ')[1]),
      taken,
    );
    assert.equal(near.send(text('more')), true);
    await eventually('it goes on', () => all.heard.at(-1) === 'second: more');
  });

  test(`${name}: too long a message ends a channel at both sides`, async () => {
    await using all = await channels();
    const near = await all.open();
    near.send(new Uint8Array(64 * 1024 + 1));
    await eventually('both know', () => all.ended.length === 2);
    assert.deepEqual(all.heard, []);
  });

  test(`${name}: a channel is opened to a connected member that serves it, and to nobody else`, async () => {
    await using all = await channels();
    const { first, second } = all;
    const listener = { message: () => {}, closed: () => {} };
    await assert.rejects(first.openChannel(second.stack, '/other/1.0.0', listener, soon()), isCode('refused'));
    await first.disconnect(second.stack);
    await assert.rejects(first.openChannel(second.stack, '/talk/1.0.0', listener, soon()), isCode('unreachable'));
  });

  test(`${name}: who ended its subscription hears nothing more, and the others go on`, async () => {
    await using all = await pair();
    const { first, second } = all;
    const heard: string[] = [];
    first.subscribe('news', () => 'accept');
    const end = second.subscribe('news', () => {
      heard.push('ended');
      return 'accept';
    });
    second.subscribe('news', () => {
      heard.push('stays');
      return 'accept';
    });
    end();
    await first.connect(second.stack, second.addresses(), soon());
    let sent = 0;
    await eventually(
      'heard',
      () => {
        sent += 1;
        first.publish('news', text(`number ${sent}`));
        return heard.length > 0;
      },
      { everyMs: 100 },
    );
    assert.ok(!heard.includes('ended'));
  });

  test(`${name}: what is published reaches members that subscribed`, async () => {
    await using all = await pair();
    const { first, second } = all;
    const heard: string[] = [];
    first.subscribe('news', () => 'accept');
    second.subscribe('news', (message, from) => {
      heard.push(`${new TextDecoder().decode(message)} ${from === first.stack}`);
      return 'accept';
    });
    await first.connect(second.stack, second.addresses(), soon());
    let sent = 0;
    await eventually(
      'heard',
      () => {
        sent += 1;
        first.publish('news', text(`number ${sent}`));
        return heard.length > 0;
      },
      { everyMs: 100 },
    );
    assert.match(heard[0] ?? '', /^number \d+ true$/);
  });

  test(`${name}: a published message goes on by the stack between, once it is accepted there, and not otherwise`, async () => {
    await using stack = new AsyncDisposableStack();
    const at = stack.use(await world());
    const open = async (word: string) => {
      const network = stack.use(await at.open(identityOf(word)));
      network.setGate(() => 'member');
      return network;
    };
    const [first, middle, last] = [await open('one'), await open('two'), await open('three')];
    const heard: string[] = [];
    first.subscribe('news', () => 'accept');
    middle.subscribe('news', (message) => {
      const said = new TextDecoder().decode(message).split(' ')[0];
      return said === 'good' ? 'accept' : said === 'odd' ? 'ignore' : 'reject';
    });
    last.subscribe('news', (message) => {
      heard.push(new TextDecoder().decode(message));
      return 'accept';
    });
    await first.connect(middle.stack, middle.addresses(), soon());
    await last.connect(middle.stack, middle.addresses(), soon());
    let sent = 0;
    await eventually(
      'the last one hears what is good',
      () => {
        sent += 1;
        for (const said of ['bad', 'odd', 'good']) first.publish('news', text(`${said} ${sent}`));
        return heard.length >= 3;
      },
      { everyMs: 100 },
    );
    assert.deepEqual(
      heard.filter((each) => !each.startsWith('good')),
      [],
    );
    assert.equal(new Set(heard).size, heard.length);
  });
}
