// This room alone knows what a set of statements comes to, whatever their order (docs/protocol.md, section 4).
import { hex, unhex } from './identity.ts';
import { founderUntil, type Roots, rootsOf } from './roots.ts';
import { isOf, type Statement, type StatementOf } from './statement.ts';
import { rootOf, zeros } from './trie.ts';

const maxCertificateMs = 91 * 24 * 60 * 60 * 1000;

type Certificate = StatementOf<'certificate'>;

/** What a stack is by its best certificate, expiry aside. */
export interface Membership {
  readonly stack: string;
  readonly name: string;
  readonly zone: string;
  readonly role: 'member' | 'builder' | 'admin' | 'viewer';
  readonly state: 'valid' | 'revoked' | 'left';
  readonly notAfter: number;
  readonly certificate: string;
}
/** What a set comes to; `kept` are the ids of what counts and adds something. */
export interface Roster {
  readonly roots: Roots;
  readonly memberships: ReadonlyMap<string, Membership>;
  readonly pardons: ReadonlyMap<string, number>;
  readonly kept: ReadonlySet<string>;
  readonly digest: string;
}

/** What the verified statements of a mesh come to. */
export function rosterOf(given: readonly Statement[], mesh: string): Roster {
  const statements = given.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const roots = rootsOf(statements.filter(isOf('root')), mesh);
  const rights = rightsOf(roots, statements);
  const kept = new Set(roots.kept);
  const certificates = new Map([...rights.appointing, ...rights.others].map((statement) => [statement.id, statement]));
  for (const id of certificates.keys()) kept.add(id);

  const isKnown = (stack: string): boolean => [...certificates.values()].some(({ body }) => body.stack === stack);
  const survivors = new Map<string, ReadonlySet<string>>();
  const revokers = new Set<string>();
  for (const { id, signer, body } of statements.filter(isOf('revocation'))) {
    const mayRevoke = rights.hasAll(signer, body.at) || (rights.isAppointed(signer) && !rights.isFounder(body.stack));
    if (!mayRevoke || !isKnown(body.stack)) continue;
    const of = `${signer} ${body.stack}`;
    const names = new Set(body.survivors);
    if (revokers.has(of) && survivors.get(body.stack)?.isSubsetOf(names)) continue;
    revokers.add(of);
    survivors.set(body.stack, survivors.get(body.stack)?.intersection(names) ?? names);
    kept.add(id);
  }

  const pardons = new Map<string, number>();
  const pardoned = new Set<string>();
  for (const { id, signer, body } of statements.filter(isOf('pardon'))) {
    const isOther = !rights.isFounder(body.stack) && body.stack !== signer;
    const mayPardon = rights.hasAll(signer, body.at) || (rights.isAppointed(signer) && isOther);
    const of = `${signer} ${body.stack} ${body.counter}`;
    if (!mayPardon || !isKnown(body.stack) || pardoned.has(of)) continue;
    pardoned.add(of);
    kept.add(id);
    if (survivors.has(signer)) continue;
    pardons.set(body.stack, Math.max(pardons.get(body.stack) ?? 0, body.counter));
  }

  const left = new Set<string>();
  for (const { id, signer, body } of statements.filter(isOf('leave'))) {
    const news = body.certificates.filter((name) => certificates.get(name)?.body.stack === signer && !left.has(name));
    if (news.length === 0) continue;
    for (const name of news) left.add(name);
    kept.add(id);
  }

  const memberships = membershipsOf([...certificates.values()], { survivors, left, rights });
  return { roots, memberships, pardons, kept, digest: digestOf([...kept]) };
}

/** The digest of a roster that holds the statements with these ids. */
export function digestOf(ids: readonly string[]): string {
  return hex(rootOf(ids.map((id) => ({ key: unhex(id), hash: zeros }))));
}

interface Rights {
  readonly appointing: readonly Certificate[];
  readonly others: readonly Certificate[];
  isFounder(stack: string): boolean;
  isAppointed(stack: string): boolean;
  hasAll(stack: string, date: number): boolean;
}

function rightsOf({ chain }: Roots, statements: readonly Statement[]): Rights {
  const isFounder = (stack: string): boolean => founderUntil(stack, chain) === Number.POSITIVE_INFINITY;
  const hasAll = (stack: string, date: number): boolean => founderUntil(stack, chain) > date;
  const certificates = statements
    .filter(isOf('certificate'))
    .filter(({ body }) => body.notAfter - body.notBefore <= maxCertificateMs);
  const ofFounders = certificates.filter(({ signer, body }) => hasAll(signer, body.notBefore));
  const appointing = ofFounders.filter(({ body }) => body.role === 'admin');
  const appointments = appointing.filter(({ signer, body }) => signer !== body.stack);
  const appointed = new Set(appointments.map(({ body }) => body.stack));
  const givenUp = new Set(
    statements.filter(isOf('leave')).flatMap(({ signer, body }) => body.certificates.map((id) => `${signer} ${id}`)),
  );
  const stillAppointed = new Set(
    appointments.filter(({ id, body }) => !givenUp.has(`${body.stack} ${id}`)).map(({ body }) => body.stack),
  );
  const others = certificates
    .filter(({ body }) => body.role !== 'admin')
    .filter(
      ({ signer, body }) =>
        hasAll(signer, body.notBefore) ||
        (appointed.has(signer) && !isFounder(body.stack) && !stillAppointed.has(body.stack)),
    );
  return { appointing, others, isFounder, hasAll, isAppointed: (stack) => appointed.has(stack) };
}

interface Voids {
  readonly survivors: ReadonlyMap<string, ReadonlySet<string>>;
  readonly left: ReadonlySet<string>;
  readonly rights: Rights;
}

function membershipsOf(certificates: readonly Certificate[], { survivors, left, rights }: Voids) {
  const memberships = new Map<string, Membership>();
  const stacks = new Set(certificates.map(({ body }) => body.stack));
  for (const stack of [...stacks].sort()) {
    const isVoid = ({ id, signer }: Certificate): boolean =>
      signer !== stack && survivors.has(signer) && !survivors.get(signer)?.has(id);
    const [best] = certificates
      .filter((certificate) => certificate.body.stack === stack && !isVoid(certificate))
      .sort(
        (one, other) =>
          Number(left.has(one.id)) - Number(left.has(other.id)) ||
          other.body.notAfter - one.body.notAfter ||
          (one.id > other.id ? -1 : 1),
      );
    if (!best) continue;
    const { name, zone = '', role: said, notAfter } = best.body;
    const isAdmin = rights.isFounder(stack) || (said === 'admin' && rights.isAppointed(stack));
    const role = isAdmin ? 'admin' : said === 'admin' ? 'member' : said;
    const state = survivors.has(stack) ? 'revoked' : left.has(best.id) ? 'left' : 'valid';
    memberships.set(stack, { stack, name, zone, role, state, notAfter, certificate: best.id });
  }
  return memberships;
}
