// What liveness decides, in virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signBeat, signSuspicion } from '../../registry/liveness/claims.ts';
import { Detector } from '../../registry/liveness/detector.ts';
import { toBytes } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';
import { mesh, Sky, stepMs } from '../support/detectors.ts';

/** 0 to size-1. */
const all = (size: number): number[] => Array.from({ length: size }, (_, at) => at);

test('a killed stack is down at all the others as soon as they failed to dial it, with who says so', () => {
  for (const size of [3, 5, 11, 12, 32]) {
    const sky = new Sky(size);
    sky.pass(10_000);
    assert.deepEqual(sky.states(0), ['up']);
    sky.kill(0);
    assert.deepEqual(sky.states(0), ['down'], `${size} stacks`);
    const { by, why } = sky.at(1).presence(sky.stacks[0] ?? '');
    assert.ok(by.length >= Math.min(9, Math.floor((size - 1) / 2) + 1), `${by.length} of ${size}`);
    assert.match(why, /observers can't reach it/);
    assert.deepEqual(sky.states(1, 0), ['up']);
  }
});

test('of two stacks, and of one alone, nobody is down (failure mode 38)', () => {
  const alone = new Sky(1);
  alone.pass(400_000);
  assert.equal(alone.state(0, 0), 'up');
  const pair = new Sky(2);
  pair.pass(10_000);
  pair.kill(0);
  pair.pass(400_000);
  assert.equal(pair.state(1, 0), 'unreachable');
});

test('a frozen stack is down everywhere within eight seconds, and up again when it goes on (failure mode 10)', () => {
  for (const size of [3, 5, 32]) {
    const sky = new Sky(size);
    sky.pass(20_000);
    const began = sky.now;
    sky.freeze(0);
    sky.pass(7_500);
    assert.deepEqual(sky.states(0), ['down'], `${size} stacks`);
    assert.ok(sky.shown.filter(({ state }) => state === 'down').every(({ at }) => at - began < 8_000));
    sky.frozen.clear();
    // Its first timer after the pause is late by all that time, so it accuses nobody.
    const before = sky.published.length;
    sky.pass(stepMs, (stack) => (stack === sky.stacks[0] ? 7_500 : 0));
    sky.pass(3_000);
    assert.deepEqual(sky.states(0), ['up'], `${size} stacks`);
    assert.deepEqual(
      all(size).map((at) => sky.state(0, at)),
      all(size).map(() => 'up'),
    );
    assert.ok(sky.published.length > before);
  }
});

test('an event loop that stalls for two seconds, here or there, makes nobody suspect (failure mode 9)', () => {
  const sky = new Sky(5);
  sky.pass(10_000);
  const before = sky.published.length;
  for (let round = 0; round < 10; round += 1) {
    sky.freeze(0);
    sky.pass(2_000);
    sky.frozen.clear();
    sky.pass(stepMs, (stack) => (stack === sky.stacks[0] ? 2_000 : 0));
    sky.pass(4_000);
  }
  assert.equal(sky.published.length, before);
  assert.deepEqual(sky.states(0), ['up']);
});

test('an observer that lags slows down and accuses nobody until it is well again (failure mode 9)', () => {
  const sky = new Sky(3);
  sky.pass(10_000);
  const lags = (stack: string): number => (stack === sky.stacks[1] ? 600 : 0);
  sky.pass(3_000, lags);
  sky.kill(0);
  sky.pass(5_000, lags);
  assert.deepEqual(
    sky.published.filter(({ from, at }) => from === sky.stacks[1] && at > 10_000),
    [],
  );
  assert.equal(sky.state(2, 0), 'unreachable');
  sky.pass(15_000);
  assert.deepEqual(sky.states(0), ['down']);
});

test('a minority that lost the others marks none of them down, and they mark all of it down; healed, all are up (failure mode 8)', () => {
  for (const [size, cut] of [
    [5, 2],
    [32, 8],
  ] as const) {
    const sky = new Sky(size);
    sky.pass(10_000);
    const [few, many] = [all(size).slice(0, cut), all(size).slice(cut)];
    sky.silence(few, many);
    sky.silence(many, few);
    sky.pass(30_000);
    for (const lost of few) assert.deepEqual(sky.states(lost, ...few), ['down'], `${size}: the majority's view`);
    for (const lost of many) {
      assert.ok(!sky.states(lost, ...many).includes('down'), `${size}: the minority's view`);
    }
    sky.lost.clear();
    for (const one of few) for (const other of many) sky.link(sky.stacks[one] ?? '', sky.stacks[other] ?? '');
    sky.pass(80_000);
    for (const stack of all(size)) assert.deepEqual(sky.states(stack), ['up'], `${size}: healed`);
  }
});

test('one link that loses one way makes a stack suspect, never down, and the news of it get rare (failure mode 8)', () => {
  const sky = new Sky(5);
  sky.pass(10_000);
  sky.silence([0], [1]);
  const before = sky.published.length;
  sky.pass(300_000);
  assert.ok(!sky.shown.some(({ state }) => state === 'down'));
  assert.ok(sky.published.length - before < 60, `${sky.published.length - before} messages in five minutes`);
  assert.ok(sky.published.length - before > 0);
});

test('a stack that comes and goes is shown as such, not each time, and is up once it stays (failure mode 26)', () => {
  const sky = new Sky(5);
  sky.pass(10_000);
  const [flapping] = sky.stacks;
  assert.ok(flapping);
  for (let round = 0; round < 60; round += 1) {
    sky.kill(0);
    sky.pass(500);
    sky.killed.clear();
    for (const other of sky.stacks.slice(1)) sky.link(flapping, other);
    sky.pass(500);
  }
  const changes = sky.shown.filter(({ by, stack }) => by === sky.stacks[1] && stack === flapping);
  assert.ok(changes.length < 30, `${changes.length} changes in a minute`);
  assert.ok(sky.published.length < 5 * 40, `${sky.published.length} messages in a minute`);
  sky.pass(80_000);
  assert.deepEqual(sky.states(0), ['up']);
});

test('a stack whose observers are gone, too, is down when its lease runs out, whatever the wall clock says (failure mode 18)', () => {
  const sky = new Sky(5);
  sky.pass(10_000);
  for (const at of [0, 1, 2]) sky.freeze(at);
  sky.pass(280_000);
  assert.equal(sky.state(3, 0), 'unreachable');
  sky.pass(30_000);
  assert.equal(sky.state(3, 0), 'down');
  assert.match(sky.at(3).presence(sky.stacks[0] ?? '').why, /lease ran out/);
  assert.equal(sky.state(3, 4), 'up');
});

test('a stack that stops in order is down at once everywhere, by its own word, and nobody accuses it', () => {
  const sky = new Sky(5);
  sky.pass(10_000);
  sky.do(sky.stacks[0] ?? '', sky.at(0).stop(sky.now));
  assert.deepEqual(sky.states(0), ['down']);
  const published = sky.published.length;
  sky.kill(0);
  sky.pass(20_000);
  const { why, by } = sky.at(1).presence(sky.stacks[0] ?? '');
  assert.deepEqual([why, by], ['it stopped', [sky.stacks[0]]]);
  assert.equal(sky.published.length, published);
  sky.killed.clear();
  const [identity] = sky.identities;
  assert.ok(identity);
  sky.start(identity, 1);
  for (const other of sky.stacks.slice(1)) sky.link(identity.stack, other);
  sky.pass(3_000);
  assert.deepEqual(sky.states(0), ['up']);
});

test('a quiet mesh of 32 sends few pings, and one stream serves a pair', () => {
  const sky = new Sky(32);
  sky.pass(30_000);
  const from = sky.now;
  sky.pass(60_000);
  const pings = sky.pings.filter(({ at }) => at > from);
  const perStackAndSecond = pings.length / 32 / 60;
  assert.ok(perStackAndSecond < 3.4, `${perStackAndSecond}`);
  assert.equal(sky.published.length, 32, 'beats travel by anti-entropy but for the first');
});

test('forged claims, those of another mesh and those of strangers change nothing', () => {
  const sky = new Sky(5);
  sky.pass(1_000);
  const [subject, observer] = sky.identities;
  assert.ok(subject && observer);
  const body = {
    mesh,
    subject: subject.stack,
    incarnation: 1,
    observer: observer.stack,
    order: [9, 9] as [number, number],
    roster: 'roster',
    seen: 'silent' as const,
    withdrawn: false,
  };
  const heard = (suspicion: { wire: Uint8Array }) =>
    sky.at(2).message(toBytes({ suspicions: [suspicion.wire] }), sky.now).verdict;
  const stranger = identityOf('stranger');
  assert.equal(heard(signSuspicion(body, stranger)), 'reject');
  assert.equal(heard(signSuspicion({ ...body, mesh: 'b'.repeat(64) }, observer)), 'reject');
  assert.equal(heard(signSuspicion({ ...body, observer: subject.stack }, subject)), 'reject');
  assert.equal(heard(signSuspicion({ ...body, observer: stranger.stack }, stranger)), 'ignore');
  assert.equal(heard(signSuspicion({ ...body, incarnation: 0 }, observer)), 'ignore');
  const beat = { mesh, stack: subject.stack, incarnation: 99, counter: 0, state: 'stopping' as const };
  assert.equal(sky.at(2).message(toBytes({ beats: [signBeat(beat, observer).wire] }), sky.now).verdict, 'reject');
  assert.equal(sky.at(2).message(new Uint8Array(100), sky.now).verdict, 'reject');
  assert.equal(sky.state(2, 0), 'up');
  // Of an incarnation that the subject hasn't reached it is kept and counts for nothing.
  assert.equal(heard(signSuspicion({ ...body, incarnation: 2 ** 40 }, observer)), 'accept');
  assert.equal(sky.state(2, 0), 'up');
  assert.equal(heard(signSuspicion({ ...body, order: [9, 10] }, observer)), 'accept');
  assert.equal(sky.state(2, 0), 'suspect');
  assert.equal(heard(signSuspicion({ ...body, order: [9, 10] }, observer)), 'ignore');
});

test('a stack that lost its incarnation begins above what the others heard of it', () => {
  const sky = new Sky(3);
  sky.pass(1_000);
  const [identity] = sky.identities;
  assert.ok(identity);
  const old = signBeat({ mesh, stack: identity.stack, incarnation: 7, counter: 3, state: 'running' }, identity);
  const { deeds } = sky.at(0).claims([[old.wire, 0]], sky.now);
  assert.deepEqual(
    deeds.filter(({ type }) => type === 'keep'),
    [{ type: 'keep', incarnation: 8 }],
  );
});

test('a stack that starts while its certificate has run out is up once it has a new one, whoever still knows that it stopped', () => {
  const sky = new Sky(3);
  const [identity] = sky.identities;
  const [stack = '', other = '', third = ''] = sky.stacks;
  assert.ok(identity);
  const told = sky.of(other).ledger.incarnation(stack);
  sky.do(stack, sky.of(stack).stop(sky.now));
  sky.kill(0);
  sky.killed.clear();
  sky.pass(1_000);
  const begun = new Detector({ identity, incarnation: told, wall: () => sky.now }, sky.now);
  sky.detectors.set(stack, begun);
  const without = { mesh, digest: 'without it', members: [other, third] };
  sky.do(stack, begun.setRoster(without, sky.now));
  sky.do(stack, begun.setRoster({ mesh, digest: 'roster', members: sky.stacks }, sky.now));
  sky.link(stack, other);
  assert.equal(sky.state(1, 0), 'up');
  const stopped = signBeat({ mesh, stack, incarnation: told, counter: 9, state: 'stopping' }, identity);
  sky.pass(stepMs);
  sky.do(other, sky.of(other).claims([[stopped.wire, 0]], sky.now).deeds);
  assert.equal(sky.state(1, 0), 'up');
  // Renewed late, while it runs: the same.
  sky.do(stack, begun.setRoster(without, sky.now));
  assert.equal(begun.ledger.beat(stack), undefined);
  sky.do(stack, begun.setRoster({ mesh, digest: 'roster', members: sky.stacks }, sky.now));
  assert.ok(begun.ledger.beat(stack));
});

test('a stack that starts learns from others how old a sign of life is, so a dead one has no new lease (failure mode 18)', () => {
  const sky = new Sky(5);
  sky.pass(10_000);
  for (const at of [0, 1, 2]) sky.freeze(at);
  sky.pass(200_000);
  const last = sky.identities[4];
  assert.ok(last);
  sky.kill(4);
  sky.killed.clear();
  sky.start(last, 1);
  sky.link(last.stack, sky.stacks[3] ?? '');
  assert.ok(Math.abs(sky.now - (sky.at(4).ledger.heardAt(sky.stacks[0] ?? '') ?? 0) - 200_000) < 7_000);
  sky.pass(110_000);
  assert.equal(sky.state(4, 0), 'down');
  assert.match(sky.at(4).presence(sky.stacks[0] ?? '').why, /lease ran out/);
});

test('of each observer only its newest word about a subject is kept, and none of those who went', () => {
  const sky = new Sky(5);
  sky.pass(1_000);
  const [subject, observer] = sky.identities;
  assert.ok(subject && observer);
  for (let number = 1; number < 200; number += 1) {
    const body = { mesh, subject: subject.stack, incarnation: 1, observer: observer.stack, roster: 'other' };
    const said = { ...body, order: [9, number] as [number, number], seen: 'silent' as const, withdrawn: false };
    sky.at(2).message(toBytes({ suspicions: [signSuspicion(said, observer).wire] }), sky.now);
  }
  assert.equal(sky.at(2).ledger.names(sky.now).length, 5 + 1, 'five beats and one suspicion');
  const members = sky.stacks.filter((stack) => stack !== observer.stack);
  sky.at(2).setRoster({ mesh, digest: 'smaller', members }, sky.now);
  assert.equal(sky.at(2).ledger.names(sky.now).length, 4);
});
