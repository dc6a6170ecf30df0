// What README.md tells a person to paste works: its `sh` blocks are run in order, each line as it stands there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from './support/deadline.ts';
import { engineWanted, startPrivateEngine } from './support/private-engine.ts';

const root = path.dirname(import.meta.dirname);
const text = readFileSync(path.join(root, 'README.md'), 'utf8');
const lock = path.join(root, 'examples/shop/manifest.lock.json');
/** The slowest line, `run`, fetches packages and builds three images. */
const lineTimeoutMs = 240_000;
const startTimeoutMs = 30_000;

interface Line {
  readonly command: string;
  /** Whether the README says to leave it running in a terminal of its own. */
  readonly foreground: boolean;
}

interface Ran {
  readonly command: string;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const lines = linesOf(text);
/** What npm does is run by other tests, or is this one. */
const isNpm = ({ command }: Line): boolean => /^npm (ci$|test$|run )/.test(command);

test('every npm script that the README names is in package.json, and its program is there', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...text.matchAll(/npm (?:run ([\w:]+)|(test)\b)/g)].map(([, run, plain]) => run ?? plain ?? '');
  assert.ok(named.includes('demo') && named.includes('test'), 'the README names the two commands that need no set-up');
  for (const name of named) {
    const script = scripts[name];
    assert.ok(script, `the README names "npm run ${name}", which isn't in package.json`);
    for (const file of script.split(' ').filter((word) => /\.(ts|mjs)$/.test(word))) {
      assert.ok(existsSync(path.join(root, file)), `"npm run ${name}" starts ${file}, which isn't there`);
    }
  }
});

test('every link of the README leads to a file of the repository', () => {
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, target]) => target ?? '');
  assert.ok(links.length > 0);
  for (const link of links) assert.ok(existsSync(path.join(root, link)), `README.md links to ${link}`);
});

test('what the README says to paste works, line by line', { skip: !engineWanted() && 'no engine wanted' }, async () => {
  await using parts = new AsyncDisposableStack();
  const home = await mkdtemp(path.join(tmpdir(), 'hermesh-readme-'));
  parts.defer(() => rm(home, { recursive: true, force: true }));
  if (!existsSync(lock)) parts.defer(() => rm(lock, { force: true }));
  // The ports of the README may be taken here; what stands in config.json is below flags and above defaults.
  const state = path.join(home, '.local/state/hermesh');
  await mkdir(state, { recursive: true });
  await writeFile(path.join(state, 'config.json'), '{"http":"127.0.0.1:0","listen":["/ip4/127.0.0.1/tcp/0"]}');
  const engine = parts.use(await startPrivateEngine({ name: 'readme' }));
  const terminal = new Terminal({ home, socket: engine.socket });
  // Parts close in reverse: the daemons end before their engine and their homes go.
  parts.use(terminal);
  terminal.replace('9100', String(await freePort()));

  for (const line of lines.filter((one) => !isNpm(one))) {
    if (line.foreground) await terminal.start(line.command);
    else await terminal.run(line.command);
    if (line.command.startsWith('bin/hermesh up')) {
      const { stdout } = await terminal.read('bin/hermesh status --json');
      terminal.replace('http://127.0.0.1:8001', (JSON.parse(stdout) as { http: string }).http);
    }
  }

  assert.match(terminal.outputOf('bin/hermesh status'), /^mesh .*: 1 of 1 stack up$/m);
  assert.match(terminal.outputOf('bin/hermesh manifest lock'), /[1-9]\d* packages/);
  assert.match(terminal.outputOf('bin/hermesh run'), /^frontend +started +frontend-ci +http:\/\/127\.0\.0\.1:\d+$/m);
  const list = terminal.outputOf('bin/aish list');
  for (const ci of ['redis-ci', 'api-ci', 'frontend-ci']) assert.match(list, new RegExp(`^${ci} +healthy`, 'm'));
  assert.match(terminal.outputOf('bin/aish redis-ci "status"'), /"shop-redis" has been running .*\[e\d+\]/);
  assert.match(terminal.outputOf('bin/aish api-ci'), /redis.*\[e\d+\]/);
  assert.match(terminal.outputOf('bin/hermesh logs redis-ci'), /Ready to accept connections/);
  const there = 'bin/hermesh --home ~/.hermesh-there';
  assert.match(terminal.outputOf(`${there} join`), /^Joined mesh .*here/m);
  assert.match(terminal.outputOf(`${there} stacks`), /^here .*up/m);
  assert.match(terminal.outputOf('bin/aish --home ~/.hermesh-there'), /"shop-redis" has been running .*\[e\d+\]/);
  assert.match(terminal.outputOf('bin/hermesh stop shop'), /removed .*frontend.*redis/);
  const snippet = terminal.outputOf('bin/hermesh mcp config').replace(/^\/\/.*\n/, '');
  assert.equal(typeof (JSON.parse(snippet) as { mcpServers: { mesh: { command: string } } }).mcpServers.mesh, 'object');
  assert.equal((JSON.parse(terminal.outputOf('curl')) as { success: boolean }).success, true);
  assert.equal(terminal.outputOf('bin/aish numa'), 'numa heard "hello"\n');
  for (const { command, code } of await terminal.end()) {
    if (command.startsWith('bin/hermesh')) assert.equal(code, 0, `"${command}" stops well`);
  }
});

/** The shells of a person at one machine: a home directory, an engine, and programs left running. */
class Terminal implements AsyncDisposable {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #replacements = new Map<string, string>();
  readonly #ran: Ran[] = [];
  readonly #running: { readonly stop: () => void; readonly ended: Promise<Ran> }[] = [];

  constructor({ home, socket }: { readonly home: string; readonly socket: string }) {
    const { HERMESH_HOME: _home, XDG_STATE_HOME: _state, ...environment } = process.env;
    this.#environment = { ...environment, HOME: home, DOCKER_HOST: `unix://${socket}`, NO_COLOR: '1' };
  }

  /** From here on, `what` of the README stands for something else on this machine. */
  replace(what: string, by: string): void {
    this.#replacements.set(what, by);
  }

  /** The same as `read`, and kept for `outputOf`. */
  async run(command: string): Promise<void> {
    this.#ran.push(await this.read(command));
  }

  /** Runs one line to its end and fails unless it exits with 0. */
  async read(command: string): Promise<Ran> {
    const { child, ended } = this.#spawn(command);
    const late = setTimeout(() => child.kill('SIGKILL'), lineTimeoutMs);
    const ran = await ended;
    clearTimeout(late);
    assert.equal(ran.code, 0, `"${command}" ends with 0:\n${ran.stdout}${ran.stderr}`);
    return ran;
  }

  /** Starts one line and resolves once it has said something. */
  async start(command: string): Promise<void> {
    const { child, ended } = this.#spawn(`exec ${command}`);
    let over: Ran | undefined;
    let hasSpoken = false;
    child.stdout.once('data', () => {
      hasSpoken = true;
    });
    void ended.then((ran) => {
      over = ran;
    });
    this.#running.push({ stop: () => void child.kill('SIGTERM'), ended });
    await eventually(`"${command}" says that it runs`, () => hasSpoken || over !== undefined, {
      timeoutMs: startTimeoutMs,
    });
    assert.equal(over, undefined, `"${command}" goes on running:\n${over?.stdout}${over?.stderr}`);
  }

  /** What the first line that begins so wrote to stdout. */
  outputOf(beginning: string): string {
    const found = this.#ran.find(({ command }) => command.startsWith(beginning));
    assert.ok(found, `the README has a line "${beginning} …"`);
    return found.stdout;
  }

  /** Ends what was left running, and says how each ended. */
  async end(): Promise<readonly Ran[]> {
    for (const { stop } of this.#running) stop();
    return await Promise.all(this.#running.map(({ ended }) => ended));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  #spawn(command: string) {
    const here = [...this.#replacements].reduce((line, [what, by]) => line.replaceAll(what, by), command);
    const child = spawn('sh', ['-e', '-c', here], {
      cwd: root,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      stdout += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      stderr += part;
    });
    const ended = new Promise<Ran>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ command: command.replace(/^exec /, ''), code, stdout, stderr }));
    });
    return { child, ended };
  }
}

/** The commands of all `sh` blocks in their order; a line that ends with `\` goes on in the next. */
function linesOf(markdown: string): Line[] {
  return [...markdown.matchAll(/^```sh([^\n]*)\n([\s\S]*?)^```$/gm)].flatMap(([, info = '', body = '']) =>
    body
      .replace(/\\\n\s*/g, '')
      .split('\n')
      .filter((command) => command !== '')
      .map((command) => ({ command, foreground: /\bterminal=\d/.test(info) })),
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(typeof address === 'object' && address);
  return address.port;
}
