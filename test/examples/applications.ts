// The applications of examples/: what each is asked, which of its packages are of third parties, and one trial for all of them.
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openFolder } from '../manifests/folder.ts';
import { type DaemonProcess, startDaemon } from '../support/daemon-process.ts';
import { eventually } from '../support/deadline.ts';
import { callEngine, startPrivateEngine } from '../support/private-engine.ts';

export const examples = path.join(import.meta.dirname, '../../examples');
/** What compiles fetches a toolchain of some 100 MB first, and a busy machine takes its time. */
const commandTimeoutMs = 540_000;
/** "Done when" of each: as many packages of third parties, locked. */
const packagesAtLeast = 20;

type Ask = (where: string, body?: string | object) => Promise<{ readonly status: number; readonly text: string }>;

export interface Application {
  readonly name: string;
  /** Of the bill of materials: package URLs of what third parties wrote, without the language and its own library. */
  readonly thirdParty: RegExp;
  /** The container that answers, and what its CI is asked for. */
  readonly container: string;
  readonly says: RegExp;
  readonly secrets?: Readonly<Record<string, string>>;
  /** That it does what it is for. */
  use(ask: Ask): Promise<void>;
}

export interface Stand extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  readonly socket: string;
  readonly folder: string;
}

interface Run {
  readonly containers: readonly {
    readonly container: string;
    readonly outcome: string;
    readonly ci: string;
    readonly published: readonly { readonly address: string }[];
  }[];
}

/** A daemon with an engine of its own, as a user would start one. */
export async function openStand(): Promise<Stand> {
  await using parts = new AsyncDisposableStack();
  const { path: folder } = parts.use(await openFolder());
  const engine = parts.use(await startPrivateEngine({ name: 'examples' }));
  const environment = { DOCKER_HOST: `unix://${engine.socket}` };
  const home = path.join(folder, 'home');
  const daemon = parts.use(await startDaemon('bench', { home, flags: ['--engine', 'docker'], environment }));
  const all = parts.move();
  return { daemon, socket: engine.socket, folder, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** A copy of an example without what was locked for it: mirrors offer other versions after each security update. */
export async function copyOf(name: string, { folder }: Stand, without: readonly string[] = []): Promise<string> {
  const copy = path.join(folder, `${name}${without.length > 0 ? '-bare' : ''}`);
  const left = new Set(['manifest.lock.json', 'node_modules', 'dist', ...without]);
  await cp(path.join(examples, name), copy, { recursive: true, filter: (file) => !left.has(path.basename(file)) });
  return copy;
}

/** One command of the daemon's user: its value as JSON, whatever time it takes. */
export async function command<T>({ daemon }: Stand, program: 'hermesh' | 'aish', ...words: string[]): Promise<T> {
  const ran = await daemon.run(program, ['--json', ...words], { timeoutMs: commandTimeoutMs });
  assert.equal(ran.code, 0, `"${program} ${words.join(' ')}": ${ran.stderr}\n${ran.stdout}`);
  return JSON.parse(ran.stdout) as T;
}

/** Locks, builds, runs, asks and stops one application by the commands that its README names. */
export async function tryApplication(application: Application, stand: Stand): Promise<void> {
  const file = path.join(await copyOf(application.name, stand), 'manifest.json');
  for (const [name, value] of Object.entries(application.secrets ?? {})) {
    await mkdir(path.join(stand.daemon.home, 'secrets'), { recursive: true, mode: 0o700 });
    await writeFile(path.join(stand.daemon.home, 'secrets', name), `${value}\n`, { mode: 0o600 });
  }
  await command(stand, 'hermesh', 'manifest', 'check', file);
  await command(stand, 'hermesh', 'manifest', 'lock', file);
  const built = await command<{ images: { container: string; digest: string }[] }>(stand, 'hermesh', 'build', file);
  const image = built.images.find(({ container }) => container === application.container);
  assert.ok(image);
  const { sbom } = await command<{ sbom: { components: { purl: string }[] } }>(stand, 'hermesh', 'sbom', image.digest);
  const purls = sbom.components.map(({ purl }) => purl);
  const others = purls.filter((purl) => application.thirdParty.test(purl));
  assert.ok(others.length >= packagesAtLeast, `${others.length} of ${purls.length}: ${purls.join(' ')}`);
  await command(stand, 'hermesh', 'verify', image.digest);

  await runAndAsk(application, file, stand);
  const again = await command<Run>(stand, 'hermesh', 'run', file);
  assert.ok(again.containers.every(({ outcome }) => outcome === 'kept'));
  const ci = again.containers.find(({ container }) => container === application.container)?.ci ?? '';
  const said = await eventually(
    `"${ci}" knows what runs there`,
    async () => {
      const { text } = await command<{ text: string }>(stand, 'aish', ci, 'what runs here?');
      return application.says.test(text) && text;
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  assert.match(said, application.says);
  await stopAll(application.name, stand);
}

/** Runs a manifest and asks it over HTTP: its health first. */
export async function runAndAsk({ container, use }: Application, file: string, stand: Stand): Promise<void> {
  const { containers } = await command<Run>(stand, 'hermesh', 'run', file);
  assert.ok(containers.every(({ outcome }) => outcome === 'started'));
  const address = containers.find((one) => one.container === container)?.published[0]?.address;
  const ask: Ask = async (where, body) => {
    const isText = typeof body === 'string';
    const sent = body === undefined ? {} : { method: 'POST', body: isText ? body : JSON.stringify(body) };
    const headers = { 'content-type': isText ? 'text/csv' : 'application/json' };
    const answer = await fetch(`http://${address}${where}`, {
      ...sent,
      ...(body !== undefined && { headers }),
      redirect: 'manual',
      signal: AbortSignal.timeout(30_000),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const { health } = JSON.parse(await readFile(file, 'utf8')).applications[container] ?? {};
  const { status, text } = await ask(health?.http.path ?? '/health');
  assert.deepEqual([status, JSON.parse(text).ok], [200, true]);
  await use(ask);
}

/** Takes a project away with its volumes; nothing of it stays in the engine. */
export async function stopAll(project: string, stand: Stand): Promise<void> {
  await command(stand, 'hermesh', 'stop', project, '--volumes');
  const own = new RegExp(`[/"](?:hermesh-)?${project}[-."]`);
  for (const place of ['/containers/json?all=1', '/networks', '/volumes'])
    assert.doesNotMatch(await callEngine(stand.socket, 'GET', place), own);
  await rm(path.join(stand.daemon.home, 'secrets'), { recursive: true, force: true });
}

export const notes: Application = {
  name: 'notes',
  container: 'notes',
  thirdParty: /^pkg:npm\//,
  says: /\bnode\b.*port 8080/,
  async use(ask) {
    const note = { title: 'Tea', text: '# Green\n\n*hot*\n\n<script>alert(1)</script>' };
    assert.equal((await ask('/api/notes', note)).status, 201);
    assert.equal((await ask('/api/notes', { title: '' })).status, 400);
    const { notes: found } = JSON.parse((await ask('/api/notes?q=green')).text) as { notes: { id: number }[] };
    assert.equal(found.length, 1);
    const { text: page } = await ask(`/notes/${found[0]?.id}`);
    assert.match(page, /<h1>Green<\/h1>.*<em>hot<\/em>/s);
    assert.doesNotMatch(page, /<script>/);
  },
};

export const uptime: Application = {
  name: 'uptime',
  container: 'uptime',
  thirdParty: /^pkg:deb\/debian\/golang-[^@]+-dev@/,
  says: /\buptime\b.*port 8080/,
  async use(ask) {
    const targets = await eventually('both targets were asked', async () => {
      const { targets: all } = JSON.parse((await ask('/api/targets')).text) as { targets: Record<string, unknown>[] };
      return all.length === 2 && all;
    });
    assert.deepEqual(
      targets.map(({ name, status }) => [name, status]),
      [
        ['itself', 200],
        ['nobody', 0],
      ],
    );
    assert.match((await ask('/')).text, /<th>itself<\/th><td>up/);
  },
};

export const links: Application = {
  name: 'links',
  container: 'web',
  thirdParty: /^pkg:deb\/debian\/(?!python3-(?:minimal|distutils|lib2to3)@)python3-[^@]+@/,
  says: /\bgunicorn\b.*port 8000/,
  secrets: { 'redis-password': 'correct-horse-battery' },
  async use(ask) {
    const target = 'http://example.org/far/away';
    const made = await ask('/api/links', { target });
    const { code } = JSON.parse(made.text) as { code: string };
    assert.equal(made.status, 201);
    assert.equal((await ask('/api/links', { target: 'ftp:nothing' })).status, 400);
    assert.equal((await ask(`/${code}`)).status, 302);
    await eventually('the worker counted and drew', async () => {
      const { links: all } = JSON.parse((await ask('/api/links')).text) as { links: { followed: number }[] };
      return all[0]?.followed === 1 && (await ask(`/${code}.svg`)).text.includes('<svg');
    });
  },
};

export const ledger: Application = {
  name: 'ledger',
  container: 'ledger',
  thirdParty: /^pkg:deb\/debian\/lib[^@]+-java@/,
  says: /\bjava\b.*port 8080/,
  async use(ask) {
    const csv = 'day,purpose,amount\n2026-01-02,tea,3.50\n2026-01-30,tea,1.25\n2026-02-01,rent,500\n';
    assert.deepEqual(JSON.parse((await ask('/api/bookings', csv)).text), { added: 3 });
    assert.equal((await ask('/api/bookings', 'day,purpose,amount\nnever,tea,1\n')).status, 400);
    assert.deepEqual(JSON.parse((await ask('/api/bookings')).text), {
      sums: [
        { month: '2026-02', purpose: 'rent', sum: 500 },
        { month: '2026-01', purpose: 'tea', sum: 4.75 },
      ],
    });
    assert.match((await ask('/')).text, /<td>rent<\/td><td>500/);
  },
};

export const meetings: Application = {
  name: 'meetings',
  container: 'meetings',
  thirdParty: /^pkg:deb\/debian\/(?:puma|ruby-(?!net-telnet|rubygems|sdbm|webrick|xmlrpc)[^@]+)@/,
  says: /\b(?:ruby|puma)\b.*port 9292/,
  async use(ask) {
    const meeting = { title: 'Tea', begins: '2099-05-01T10:00:00+02:00', agenda: '*green* <script>x</script>' };
    const made = await ask('/api/meetings', meeting);
    assert.deepEqual([made.status, JSON.parse(made.text).begins], [201, '2099-05-01T08:00:00Z']);
    assert.equal((await ask('/api/meetings', { title: 'Tea', begins: 'soon' })).status, 400);
    assert.match((await ask('/meetings.ics')).text, /DTSTART:20990501T080000Z/);
    const { text: page } = await ask('/');
    assert.match(page, /<em>green<\/em>/);
    assert.doesNotMatch(page, /<script>/);
  },
};
