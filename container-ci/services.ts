// Which services run in a container, claimed from what is seen outside of it: weighed evidence, combined by noisy-or.
import type { ContainerProcess, ListeningSocket } from './engine.ts';
import { type KnownService, knownServices, wrappers } from './known-services.ts';
import { redact } from './redact.ts';

export interface ServiceEvidence {
  readonly kind: keyof typeof weights;
  readonly what: string;
  /** 0 to 1: how much this alone makes the claim true. */
  readonly weight: number;
}

export interface ServiceClaim {
  readonly name: string;
  /** 0 to 1, two digits. */
  readonly confidence: number;
  /** Ports that it most likely listens on. */
  readonly ports: readonly number[];
  readonly evidence: readonly ServiceEvidence[];
}

export interface Seen {
  readonly processes: readonly ContainerProcess[];
  readonly sockets: readonly ListeningSocket[];
  /** The reference that the container was created from. */
  readonly image: string;
  readonly environmentNames: readonly string[];
  /** What its manifest says it listens on: intent, which counts once it is seen to be so. */
  readonly declaredPorts: readonly number[];
}

/** Judgements from the field: an executable can be renamed but seldom is, an image can be named anything. */
const weights = { process: 0.9, 'port-and-process': 0.8, image: 0.7, environment: 0.5, port: 0.3 } as const;
/** No evidence of this kind is ever certain. */
const maxConfidence = 0.99;
/** A name that no table knows says what runs, but not what it is. */
const unknownWeight = 0.5;

/** The claims with the most certain first; what processes contradict is left out; without evidence there is none. */
export function nameServices(seen: Seen): ServiceClaim[] {
  const ports = [...new Set(seen.sockets.map(({ port }) => port))].sort((a, b) => a - b);
  const working = seen.processes.filter((process) => !wrappers.test(nameOf(process)) || isServing(process));
  const byProcess = new Map<string, ContainerProcess>();
  for (const process of working) {
    const name = knownServices.find((known) => isProcessOf(known, process))?.name ?? `?${nameOf(process)}`;
    if (!byProcess.has(name)) byProcess.set(name, process);
  }
  const claims = knownServices.flatMap(
    (known) => claimOf(known, seen, ports, byProcess.get(known.name), byProcess.size === 1) ?? [],
  );
  const strangers = [...byProcess].filter(([name]) => name.startsWith('?'));
  if (ports.length > 0 && claims.every((claim) => !hasProcess(claim))) {
    for (const [, process] of strangers.slice(0, 3)) claims.push(strangerOf(process, ports));
  }
  // A process that is seen outweighs what a port or a name alone would suggest.
  const isProven = claims.some(hasProcess);
  return claims
    .filter((claim) => !isProven || hasProcess(claim))
    .sort((a, b) => b.confidence - a.confidence || (a.name < b.name ? -1 : 1));
}

function claimOf(
  known: KnownService,
  seen: Seen,
  ports: readonly number[],
  process: ContainerProcess | undefined,
  isOnly: boolean,
): ServiceClaim | undefined {
  const evidence: ServiceEvidence[] = [];
  const add = (kind: keyof typeof weights, what: string): void => {
    evidence.push({ kind, what, weight: weights[kind] });
  };
  const usual = ports.filter((port) => known.ports.includes(port));
  // What one service alone runs in the container listens on whatever listens there.
  const declared = ports.filter((port) => isOnly || seen.declaredPorts.includes(port));
  const listening = usual.length > 0 ? usual : declared;
  if (process) {
    add('process', `process ${process.pid} is "${cut(process.commandLine || process.executable)}"`);
    if (listening.length > 0) add('port-and-process', `it listens on ${listening.join(', ')} beside that process`);
  } else if (usual.length > 0) add('port', `something listens on ${usual.join(', ')}`);
  const image = shortImage(seen.image);
  if ((known.images ?? [known.name]).includes(image)) add('image', `the image is named "${image}"`);
  const family = known.environment && seen.environmentNames.filter((name) => known.environment?.test(name));
  if (family && family.length > 0) add('environment', `the environment has ${family.slice(0, 3).join(', ')}`);
  if (evidence.length === 0) return undefined;
  return {
    name: known.name,
    confidence: noisyOr(evidence),
    ports: process ? (listening.length > 0 ? listening : ports) : usual,
    evidence,
  };
}

function strangerOf(process: ContainerProcess, ports: readonly number[]): ServiceClaim {
  const what = `process ${process.pid} is "${cut(process.commandLine || process.executable)}", and ports ${ports.join(', ')} listen`;
  const evidence: ServiceEvidence[] = [{ kind: 'process', what, weight: unknownWeight }];
  return { name: nameOf(process), confidence: unknownWeight, ports, evidence };
}

/** 1 − Π(1 − weight): independent reasons, each of which alone may be enough (Pearl 1988). */
function noisyOr(evidence: readonly ServiceEvidence[]): number {
  const doubt = evidence.reduce((product, { weight }) => product * (1 - weight), 1);
  return Math.min(maxConfidence, Math.round((1 - doubt) * 100) / 100);
}

function isProcessOf(known: KnownService, process: ContainerProcess): boolean {
  const names = [process.executable, nameOf(process)];
  return names.some((name) => known.executable.test(name)) && (known.commandLine?.test(process.commandLine) ?? true);
}

/** A process may write its title over its command line: `nginx: master process`, `redis-server *:6379`. */
function nameOf(process: ContainerProcess): string {
  const first = process.commandLine.split(' ', 1)[0] ?? '';
  const base = first.replace(/^-/, '').replace(/:$/, '').replace(/^.*\//, '');
  return base === '' ? process.executable : base;
}

/** busybox is a wrapper under most of its names, but not as a web server. */
function isServing(process: ContainerProcess): boolean {
  return /^(\S*\/)?busybox httpd\b/.test(process.commandLine);
}

function hasProcess(claim: ServiceClaim): boolean {
  return claim.evidence.some(({ kind }) => kind === 'process');
}

/** `redis` of `registry:5000/library/redis:7@sha256:…`. */
export function shortImage(reference: string): string {
  return (reference.split('@', 1)[0] ?? '').replace(/^.*\//, '').replace(/:[^:]*$/, '');
}

/** Without secrets before it is cut: half a secret can't be told from a word. */
function cut(text: string): string {
  const clean = redact(text.slice(0, 4096));
  return clean.length > 120 ? `${clean.slice(0, 119)}…` : clean;
}
