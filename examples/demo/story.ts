// What the demo does, step by step; each step checks what it claims.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DaemonProcess, startDaemon } from '../../test/support/daemon-process.ts';
import { eventually } from '../../test/support/deadline.ts';
import { callEngine } from '../../test/support/private-engine.ts';
import type { DemoEngine } from './engine.ts';
import { callToolByMcp } from './mcp.ts';
import { check, type Steps } from './steps.ts';

const shop = path.join(path.dirname(import.meta.dirname), 'shop');

interface Story {
  readonly steps: Steps;
  readonly engine: DemoEngine | undefined;
  readonly parts: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

interface Ci {
  readonly name: string;
  readonly health: string;
  readonly services: readonly { readonly name: string; readonly port?: number }[];
}

interface Answer {
  readonly text: string;
  readonly findings: readonly { readonly code: string; readonly summary: string }[];
  readonly evidence: readonly { readonly id: string }[];
}

interface Build {
  readonly manifestDigest: string;
  readonly images: readonly {
    readonly container: string;
    readonly digest: string;
    readonly configDigest: string;
    readonly sizeBytes: number;
  }[];
}

export async function tellStory({ steps, engine, parts, signal }: Story): Promise<{ links: readonly string[] }> {
  const [berlin, paris, oslo] = await startStacks(steps, engine, parts);
  await meshUp(steps, berlin, paris, oslo);
  await registerLocalCi(steps, parts, paris, oslo);
  const manifest = await copyOfShop(parts);
  await buildOnTwo(steps, manifest, berlin, paris);
  const links = [berlin.announced.http, paris.announced.http, oslo.announced.http];
  if (engine) {
    const page = await runShop(steps, manifest, berlin);
    await askFromElsewhere(steps, oslo);
    await breakAndAsk(steps, engine, oslo);
    links.unshift(page);
  }
  await steps.run('Call an MCP tool with the official client', async () => {
    const { tools, structured } = await callToolByMcp(oslo.announced.http, oslo.home, 'stacks', {});
    const named = (structured as { stacks: { name: string }[] }).stacks.map(({ name }) => name).sort();
    check(named.join() === 'berlin,oslo,paris', 'the tool "stacks" names the three stacks', named);
    steps.fact('mcp', { tools, stacks: named });
    return `${tools.length} tools; "stacks" says ${named.join(', ')}`;
  });
  if (engine && !process.argv.includes('--keep')) await stopShop(steps, berlin, paris, oslo);
  signal.throwIfAborted();
  return { links };
}

async function startStacks(steps: Steps, engine: DemoEngine | undefined, parts: AsyncDisposableStack) {
  const started: DaemonProcess[] = [];
  await steps.run('Start three stacks, each a process of its own', async () => {
    const owner = engine
      ? { flags: ['--engine', 'docker', '--site', 'ber-1'], environment: { DOCKER_HOST: `unix://${engine.socket}` } }
      : { flags: ['--engine', 'none', '--site', 'ber-1'] };
    const all = await Promise.all([
      startDaemon('berlin', owner),
      startDaemon('paris', { flags: ['--engine', 'none', '--site', 'par-1'] }),
      startDaemon('oslo', { flags: ['--engine', 'none', '--site', 'osl-1'] }),
    ]);
    for (const one of all) parts.use(one);
    started.push(...all);
    steps.fact('stacks', Object.fromEntries(all.map(({ announced }) => [announced.name, announced.stack])));
    return all
      .map(
        ({ announced, pid, readyMs }) =>
          `${announced.name.padEnd(6)} ${announced.stack}, process ${pid}, ready in ${Math.round(readyMs)} ms`,
      )
      .join('\n');
  });
  const [berlin, paris, oslo] = started;
  check(berlin && paris && oslo, 'three stacks run');
  return [berlin, paris, oslo] as const;
}

async function meshUp(steps: Steps, berlin: DaemonProcess, paris: DaemonProcess, oslo: DaemonProcess): Promise<void> {
  await steps.run('Invite and join', async () => {
    const { token } = await berlin.json<{ token: string }>('hermesh', 'invite', '--uses', '2');
    await paris.json('hermesh', 'join', token);
    await oslo.json('hermesh', 'join', token);
    return 'one token with two uses, over TCP with Noise';
  });
  await steps.run('Every stack knows every stack', async () => {
    const started = performance.now();
    for (const one of [berlin, paris, oslo]) {
      await eventually(`${one.announced.name} sees three stacks up`, async () => {
        const { stacks } = await one.json<{ stacks: { liveness: { state: string } }[] }>('hermesh', 'stacks');
        return stacks.length === 3 && stacks.every(({ liveness }) => liveness.state === 'up');
      });
    }
    return `signed records replicated; all three agree after ${Math.round(performance.now() - started)} ms`;
  });
}

/** A program that speaks Tekton's message format registers over Hermes's routes at one stack and is asked from another. */
async function registerLocalCi(
  steps: Steps,
  parts: AsyncDisposableStack,
  paris: DaemonProcess,
  oslo: DaemonProcess,
): Promise<void> {
  await steps.run("A local CI registers over Hermes's HTTP routes", async () => {
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        const { message } = JSON.parse(body) as { message: string };
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ response: `numa heard "${message}"` }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    parts.defer(
      () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
    const { port } = server.address() as AddressInfo;
    const { readFile } = await import('node:fs/promises');
    const token = (await readFile(path.join(paris.home, 'token'), 'utf8')).trim();
    const answer = await fetch(`${paris.announced.http}/api/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        name: 'numa',
        version: '0.1.0',
        type: 'greek',
        endpoint: `http://127.0.0.1:${port}`,
        capabilities: ['chat'],
      }),
    });
    const registered = (await answer.json()) as { success: boolean; componentId: string };
    check(answer.status === 200 && registered.success, 'paris takes the registration', registered);
    await eventually('oslo knows numa', async () => (await listCis(oslo)).some(({ name }) => name === 'numa'));
    const reply = await oslo.json<Answer>('aish', 'numa', 'hello from oslo');
    check(reply.text === 'numa heard "hello from oslo"', 'numa answers in its own words', reply);
    steps.fact('localCi', { id: registered.componentId, answer: reply.text });
    return `registered at paris as ${registered.componentId}; asked on oslo: ${reply.text}`;
  });
}

async function copyOfShop(parts: AsyncDisposableStack): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'hermesh-shop-'));
  parts.defer(() => rm(directory, { recursive: true, force: true }));
  await cp(shop, directory, { recursive: true });
  return path.join(directory, 'manifest.json');
}

async function buildOnTwo(steps: Steps, manifest: string, berlin: DaemonProcess, paris: DaemonProcess): Promise<void> {
  await steps.run('Lock the packages of the shop', async () => {
    const { packages } = await berlin.json<{ packages: number }>('hermesh', 'manifest', 'lock', manifest);
    check(packages > 10, 'the lock names the packages', packages);
    steps.fact('lockedPackages', packages);
    return `${packages} Debian packages, by exact version and SHA-256`;
  });
  await steps.run('Build the shop on two stacks', async () => {
    const [first, second] = await Promise.all([
      berlin.json<Build>('hermesh', 'build', manifest),
      paris.json<Build>('hermesh', 'build', manifest),
    ]);
    const digests = ({ images }: Build): string =>
      JSON.stringify(images.map(({ container, digest, configDigest }) => [container, digest, configDigest]));
    check(first.images.length === 3, 'three images', first);
    check(
      first.manifestDigest === second.manifestDigest && digests(first) === digests(second),
      'both stacks have the same digests',
      [first, second],
    );
    steps.fact('manifestDigest', first.manifestDigest);
    steps.fact('images', Object.fromEntries(first.images.map(({ container, digest }) => [container, digest])));
    return first.images
      .map(
        ({ container, digest, sizeBytes }) =>
          `${container.padEnd(9)} ${digest} (${(sizeBytes / 1e6).toFixed(1)} MB), the same in both stores`,
      )
      .join('\n');
  });
}

async function runShop(steps: Steps, manifest: string, berlin: DaemonProcess): Promise<string> {
  let page = '';
  await steps.run('Run the shop on berlin', async () => {
    interface Started {
      readonly container: string;
      readonly id: string;
      readonly published: readonly { readonly address: string }[];
    }
    const { containers } = await berlin.json<{ containers: readonly Started[] }>('hermesh', 'run', manifest);
    check(containers.length === 3, 'three containers run', containers);
    const address = containers.find(({ container }) => container === 'frontend')?.published[0]?.address;
    check(address, 'the frontend is published', containers);
    page = `http://${address}`;
    const bought = await fetch(`${page}/api/items`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"feather"}',
    });
    const items = await (await fetch(`${page}/api/items`)).text();
    check(bought.ok && items.includes('feather'), 'nginx, the API and redis serve together', {
      status: bought.status,
      items,
    });
    steps.fact('containers', Object.fromEntries(containers.map(({ container, id }) => [container, id])));
    return `bottom-up: redis, api, frontend; ${page} sold a feather`;
  });
  return page;
}

async function askFromElsewhere(steps: Steps, oslo: DaemonProcess): Promise<void> {
  await steps.run('Their CIs appear by themselves, on every stack', async () => {
    const expected = { 'redis-ci': 'redis', 'api-ci': 'python', 'frontend-ci': 'nginx' };
    const cis = await eventually(
      'oslo sees three healthy Container CIs that named their services',
      async () => {
        const all = await listCis(oslo, 'container');
        const isKnown = ([name, service]: [string, string]): boolean =>
          all.some(
            (ci) =>
              ci.name === name && ci.health === 'healthy' && ci.services.some((one) => one.name.includes(service)),
          );
        return Object.entries(expected).every(isKnown) && all;
      },
      { timeoutMs: 30_000 },
    );
    steps.fact(
      'cis',
      cis.map(({ name, health, services }) => ({ name, health, services })),
    );
    return cis
      .map(
        ({ name, health, services }) =>
          `${name.padEnd(12)} ${health}, ${services.map((one) => `${one.name}${one.port ? `:${one.port}` : ''}`).join(', ')}`,
      )
      .join('\n');
  });
  await steps.run('Ask them from oslo', async () => {
    const answers: string[] = [];
    for (const name of ['redis-ci', 'api-ci', 'frontend-ci']) {
      const answer = await oslo.json<Answer>('aish', name, 'status');
      check(answer.text.length > 0 && answer.evidence.length > 0, `${name} answers with evidence`, answer);
      answers.push(`${name}: ${answer.text.split('\n')[0]}`);
      steps.fact(`answer ${name}`, answer.text);
    }
    return answers.join('\n');
  });
}

async function breakAndAsk(steps: Steps, engine: DemoEngine, oslo: DaemonProcess): Promise<void> {
  await steps.run('Stop redis and ask what is wrong', async () => {
    await callEngine(engine.socket, 'POST', '/containers/shop-redis/stop?t=5');
    await eventually(
      'oslo hears that redis-ci stopped and api-ci is unhealthy',
      async () => {
        const all = await listCis(oslo, 'container');
        return (
          all.some((ci) => ci.name === 'redis-ci' && ci.health === 'stopped') &&
          all.some((ci) => ci.name === 'api-ci' && ci.health === 'unhealthy')
        );
      },
      { timeoutMs: 60_000 },
    );
    const redis = await oslo.json<Answer>('aish', 'redis-ci', 'what is wrong?');
    const api = await oslo.json<Answer>('aish', 'api-ci', 'what is wrong?');
    check(redis.findings.length > 0, 'redis-ci has a finding', redis);
    check(
      api.findings.some(({ summary }) => /redis/.test(summary)),
      'api-ci names redis as the cause',
      api,
    );
    steps.fact('answer after redis stopped', { redis: redis.text, api: api.text, findings: api.findings });
    return `redis-ci: ${redis.text.split('\n')[0]}\napi-ci:   ${api.text.split('\n')[0]}`;
  });
}

async function stopShop(steps: Steps, berlin: DaemonProcess, ...others: DaemonProcess[]): Promise<void> {
  await steps.run('Stop the shop', async () => {
    const { removed } = await berlin.json<{ removed: readonly string[] }>('hermesh', 'stop', 'shop');
    check(removed.length === 3, 'three containers are removed', removed);
    for (const one of [berlin, ...others]) {
      await eventually(
        `no Container CI is left on ${one.announced.name}`,
        async () => (await listCis(one, 'container')).length === 0,
      );
    }
    return 'the containers are gone, and so are their CIs, on all three stacks';
  });
}

async function listCis(stack: DaemonProcess, type?: string): Promise<readonly Ci[]> {
  const answer = await stack.json<Record<string, Ci> | readonly Ci[]>(
    'aish',
    'list',
    ...(type === undefined ? [] : ['type', type]),
  );
  return Object.values(answer);
}
