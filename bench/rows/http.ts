// Rows of requests over HTTP by 16 connections that are kept: reading one record, and durable registrations, beside etcd.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { startDaemon } from '../../test/support/daemon-process.ts';
import { startEtcd } from '../peers/etcd.ts';
import { freePorts, startPeer } from '../peers/process.ts';
import type { Row } from '../row.ts';

const connections = 16;
/** Short turns and many: what else the machine does meets each of the programs alike. */
const seconds = 1;
const turnsOfRound = 3;
/** Names that are registered, again and again: a stack takes 1,000. */
const names = 900;
const run = promisify(execFile);

type Rates = Readonly<Record<'echo' | 'query' | 'range' | 'register' | 'put', number[]>>;
let measured: Promise<Rates> | undefined;

export const httpRows: readonly Row[] = [
  {
    name: 'http-query',
    claim: 'queries of one record by wrk, 16 connections, against a bare node:http server that answers JSON',
    unit: 'per s',
    figure: 'median',
    better: 'more',
    limitRatio: 0.3,
    measure: async (rounds, say) => beside(await rates(rounds, say), 'query', 'echo', 'node:http'),
  },
  {
    name: 'http-query-etcd',
    claim: "the same against etcd's range of one key over HTTP",
    unit: 'per s',
    figure: 'median',
    better: 'more',
    limitRatio: 1,
    measure: async (rounds, say) => beside(await rates(rounds, say), 'query', 'range', 'etcd range'),
  },
  {
    name: 'registrations',
    claim: 'durable registrations by wrk, 16 connections, against puts of etcd over HTTP',
    unit: 'per s',
    figure: 'median',
    better: 'more',
    limitRatio: 0.5,
    measure: async (rounds, say) => beside(await rates(rounds, say), 'register', 'put', 'etcd put'),
  },
];

function beside(all: Rates, own: keyof Rates, other: keyof Rates, name: string) {
  return { samples: all[own], peer: { name, samples: all[other] } };
}

/** All are measured in turns of one run, so that what else the machine does meets them alike. */
function rates(rounds: number, say: (text: string) => void): Promise<Rates> {
  measured ??= measure(rounds, say);
  return measured;
}

async function measure(rounds: number, say: (text: string) => void): Promise<Rates> {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'hermesh-bench-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const [echo = 0] = await freePorts(1);
  parts.use(await startPeer([process.execPath, '-e', echoProgram(echo)], /^ready$/));
  const etcd = parts.use(await startEtcd(1)).urls[0] ?? '';
  const daemon = parts.use(await startDaemon('bench', { flags: ['--engine', 'none', '--log', 'silent'] }));
  const { http } = daemon.announced;
  const token = (await readFile(path.join(daemon.home, 'token'), 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };

  const body = (at: number) =>
    JSON.stringify({ name: `bench-${at}`, version: '1', type: 'bench', endpoint: 'http://127.0.0.1:9' });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const put = (at: number) => JSON.stringify({ key: base64(`bench-${at}`), value: base64(body(at)) });
  await post(`${http}/api/register`, body(1), headers);
  await post(`${etcd}/v3/kv/put`, put(1), {});

  const script = async (name: string, place: string, bodies: readonly string[], with_: Record<string, string>) => {
    const file = path.join(folder, `${name}.lua`);
    await writeFile(file, luaOf(place, bodies, with_));
    return file;
  };
  const all = Array.from({ length: names }, (_, at) => at);
  const register = await script('register', '/api/register', all.map(body), headers);
  const puts = await script('put', '/v3/kv/put', all.map(put), {});
  const range = await script('range', '/v3/kv/range', [JSON.stringify({ key: base64('bench-1') })], {});
  const works = {
    echo: [`http://127.0.0.1:${echo}/`],
    query: ['-H', `authorization: ${headers.authorization}`, `${http}/api/record?record=ci/bench-1`],
    range: ['-s', range, etcd],
    register: ['-s', register, http],
    put: ['-s', puts, etcd],
  };
  const found: Rates = { echo: [], query: [], range: [], register: [], put: [] };
  // The first turns let the programs warm up; they aren't counted.
  for (let turn = 0; turn < (rounds + 1) * turnsOfRound; turn += 1) {
    for (const key of Object.keys(works) as (keyof Rates)[]) {
      const rate = await load(works[key]);
      if (turn >= turnsOfRound) found[key].push(rate);
    }
    if (turn >= turnsOfRound)
      say(
        Object.entries(found)
          .map(([key, rates]) => `${key} ${rates.at(-1)?.toFixed(0)}`)
          .join(', '),
      );
  }
  return found;
}

/** Requests a second; throws where one of them fails. */
async function load(args: readonly string[]): Promise<number> {
  const fixed = ['-t1', `-c${connections}`, `-d${seconds}s`];
  const { stdout } = await run('wrk', [...fixed, ...args]).catch((cause: unknown) => {
    throw new Error('Cannot run wrk: install it (apt-get install wrk etcd-server)', { cause });
  });
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  if (!(rate > 0) || /Non-2xx|Socket errors/.test(stdout))
    throw new Error(`Requests of "${args.join(' ')}" failed: ${stdout}`);
  return rate;
}

/** A request after the other with the bodies in turn. */
function luaOf(place: string, bodies: readonly string[], headers: Readonly<Record<string, string>>): string {
  const quoted = (text: string) => `[==[${text}]==]`;
  const table = Object.entries({ 'content-type': 'application/json', ...headers })
    .map(([key, value]) => `[ ${quoted(key)} ] = ${quoted(value)}`)
    .join(',');
  return `local bodies = {${bodies.map(quoted).join(',')}}
local headers = {${table}}
local at = 0
request = function()
  at = at % #bodies + 1
  return wrk.format('POST', '${place}', headers, bodies[at])
end
`;
}

function echoProgram(port: number): string {
  return `const answer = { kind: 'ci', name: 'bench-1', stack: '${'x'.repeat(52)}', stackName: 'bench', body: { name: 'bench-1', type: 'bench', endpoint: 'http://127.0.0.1:9', capabilities: [], health: 'healthy', services: [] } };
require('node:http').createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
}).listen(${port}, '127.0.0.1', () => console.log('ready'));`;
}

async function post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const answer = await fetch(url, { method: 'POST', body, headers });
  if (!answer.ok) throw new Error(`"${url}" was refused: ${await answer.text()}`);
}
