// Vectors of liveness: who observes whom, what is signed, and what two members tell one another.
import { stackIdOf } from '../../registry/identity.ts';
import { signBeat, signSuspicion } from '../../registry/liveness/claims.ts';
import { quorum } from '../../registry/liveness/judge.ts';
import { Ledger } from '../../registry/liveness/ledger.ts';
import { makeRing } from '../../registry/liveness/ring.ts';
import { sha256, toBytes, toHex } from '../../registry/wire.ts';
import { identityOf } from '../support/constellation.ts';

const [owner, member] = [identityOf('owner'), identityOf('member')];
const rosterDigest = '0'.repeat(64);

/** Rings, claims, the exchange of them and what is published. */
export function liveness(mesh: string) {
  const beat = { mesh, stack: member.stack, incarnation: 3, counter: 7, state: 'running' } as const;
  const suspicion = {
    mesh,
    subject: member.stack,
    incarnation: 3,
    observer: owner.stack,
    order: [5, 2] as [number, number],
    roster: rosterDigest,
    seen: 'unreachable' as const,
    withdrawn: false,
  };
  const bodies = [beat, { ...beat, counter: 8, state: 'stopping' } as const];
  const said = [suspicion, { ...suspicion, order: [5, 3] as [number, number], withdrawn: true }];
  const beats = bodies.map((body) => ({
    body,
    body_bytes: toHex(toBytes(body)),
    wire: toHex(signBeat(body, member).wire),
  }));
  const suspicions = said.map((body) => ({
    body,
    body_bytes: toHex(toBytes(body)),
    wire: toHex(signSuspicion(body, owner).wire),
  }));
  const ledger = new Ledger();
  ledger.setRoster({ mesh, digest: rosterDigest, members: [owner.stack, member.stack] });
  ledger.addBeat(signBeat(beat, member), 0);
  ledger.addBeat(signBeat({ ...beat, stack: owner.stack, incarnation: 5, counter: 0 }, owner), 0);
  ledger.addSuspicion(signSuspicion(suspicion, owner));
  const names = ledger.names(10_000);
  const want = names.map(([name]) => name);
  return {
    rings: [4, 15].map(ringOf),
    quorums: [2, 3, 4, 11, 12, 1_000].map((members) => ({
      members,
      needed: Number.isFinite(quorum(members)) ? quorum(members) : null,
    })),
    beats,
    suspicions,
    exchange: {
      digest: toHex(ledger.digest()),
      names: names.map(([name, first, second, ageS]) => [toHex(name), first, second, ageS]),
      messages: {
        askDigest: toHex(toBytes({ digest: ledger.digest() })),
        answerSame: toHex(toBytes({ now: 1_000, names: null })),
        answerNames: toHex(toBytes({ now: 1_000, names })),
        askClaims: toHex(toBytes({ give: [], want })),
        answerClaims: toHex(toBytes({ claims: ledger.claims(want, 10_000) })),
      },
    },
    published: {
      beats: toHex(toBytes({ beats: [signBeat(beat, member).wire] })),
      suspicions: toHex(toBytes({ suspicions: [signSuspicion(suspicion, owner).wire] })),
    },
  };
}

function ringOf(size: number) {
  const members = Array.from({ length: size }, (_, at) => stackIdOf(sha256(Buffer.from(`ring ${at}`))));
  const ring = makeRing(members);
  return {
    members,
    observers: Object.fromEntries(members.map((each) => [each, ring.observersOf(each)])),
    accepted: Object.fromEntries(members.map((each) => [each, ring.observersOf(each, 14)])),
    subjects: Object.fromEntries(members.map((each) => [each, ring.subjectsOf(each)])),
  };
}
