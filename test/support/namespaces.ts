// Hosts of a test's own in network namespaces: a bridge between them, and its faults (partitions, loss, bandwidth, silence).
import { type ExecFileException, execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Names say whose they are, so that what a crashed test left is found: `hm<pid>-<count>…`. */
const pattern = /^hm(\d+)-/;
/** Debian keeps these where an ordinary user's PATH doesn't look. */
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
/** The addresses are 10.77.0.1 or fd77::1 and on: they exist within the namespaces alone. */
const maxHosts = 200;

let count = 0;

/** One host: a namespace with a loopback device and `eth0` on the network's bridge. */
export interface TestHost {
  readonly name: string;
  /** Of `eth0`, as it is now. */
  readonly address: string;
  /** What stands before a program that is to run there: it becomes that program, under the same process id. */
  readonly command: readonly string[];
  /** Drops all packets that come from those; theirs that come from here still arrive there. */
  deafTo(others: readonly TestHost[]): Promise<void>;
  /** Drops that share (0 to 1) of all packets that arrive, each by chance. */
  lose(share: number): Promise<void>;
  /** Drops all packets, both ways: no end of a connection hears that it is gone. */
  silence(): Promise<void>;
  /** Takes another address in place of the one that it has, as a host does whose provider numbers it anew. */
  moveTo(address: string): Promise<void>;
  /** Lets at most so many bits a second leave. */
  limit(bitsPerSecond: number): Promise<void>;
  /** Ends all of these. */
  mend(): Promise<void>;
  /** What went through `eth0` since it was made. */
  traffic(): Promise<{ readonly sentBytes: number; readonly receivedBytes: number }>;
}

export interface TestNetworkOptions {
  /** 6: the hosts have IPv6 alone, and of the faults only silence, bandwidth and a move; 4 by default. */
  readonly family?: 4 | 6;
  /** The longest packet of each link, in bytes; 1,500 by default. */
  readonly mtu?: number;
}

export interface TestNetwork extends AsyncDisposable {
  readonly hosts: readonly TestHost[];
  /** Cuts the network in two, silently: packets between the sides are dropped. */
  partition(left: readonly TestHost[], right: readonly TestHost[]): Promise<void>;
  /** Ends the faults of all hosts. */
  mend(): Promise<void>;
}

/** Why no network of a test's own can be made here, or undefined where it can: the reason to skip a test with. */
export function whyNoNetworks(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const probe = `hm${process.pid}-probe`;
  try {
    const options = { env: environment, stdio: 'ignore' } as const;
    execFileSync('ip', ['netns', 'add', probe], options);
    try {
      execFileSync('ip', ['netns', 'exec', probe, 'iptables', '-w', '-L', '-n'], options);
    } finally {
      execFileSync('ip', ['netns', 'delete', probe], options);
    }
    return undefined;
  } catch (error) {
    return `no network namespace with iptables can be made: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** Makes so many hosts on one bridge, which stands in a namespace too: the machine's own interfaces and rules stay as they are. */
export async function openTestNetwork(
  size: number,
  { family = 4, mtu = 1_500 }: TestNetworkOptions = {},
): Promise<TestNetwork> {
  if (size > maxHosts) throw new Error(`Cannot make ${size} hosts: at most ${maxHosts}`);
  await removeStrays();
  count += 1;
  const prefix = `hm${process.pid}-${count}`;
  await using undo = new AsyncDisposableStack();
  const add = async (name: string): Promise<void> => {
    await ip('netns', 'add', name);
    undo.defer(async () => void (await ip('netns', 'delete', name)));
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  };
  const hub = `${prefix}-bridge`;
  await add(hub);
  await ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
  await ip('-n', hub, 'link', 'set', 'br0', 'mtu', `${mtu}`, 'up');
  const hosts: TestHost[] = [];
  for (let index = 1; index <= size; index += 1) {
    const name = `${prefix}-${index}`;
    await add(name);
    const port = `port${index}`;
    await ip('link', 'add', 'eth0', 'netns', name, 'type', 'veth', 'peer', 'name', port, 'netns', hub);
    await ip('-n', hub, 'link', 'set', port, 'mtu', `${mtu}`, 'master', 'br0', 'up');
    const address = family === 4 ? `10.77.0.${index}` : `fd77::${index.toString(16)}`;
    await ip('-n', name, 'link', 'set', 'eth0', 'mtu', `${mtu}`, 'up');
    await addAddress(name, address);
    hosts.push(hostOf(name, address));
  }
  const mend = async (): Promise<void> => void (await Promise.all(hosts.map((host) => host.mend())));
  const all = undo.move();
  return {
    hosts,
    mend,
    async partition(left, right) {
      await Promise.all([...left.map((host) => host.deafTo(right)), ...right.map((host) => host.deafTo(left))]);
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Without the second in which a host asks whether its IPv6 address is another one's, as it may not be listened at meanwhile. */
async function addAddress(name: string, address: string): Promise<void> {
  const words = address.includes(':') ? [`${address}/64`, 'dev', 'eth0', 'nodad'] : [`${address}/24`, 'dev', 'eth0'];
  await ip('-n', name, 'address', 'add', ...words);
}

function hostOf(name: string, first: string): TestHost {
  let address = first;
  const inside = (...words: string[]): Promise<string> => ip('netns', 'exec', name, ...words);
  const drop = async (chain: 'INPUT' | 'OUTPUT', ...rule: string[]): Promise<void> => {
    // What a daemon says to itself over loopback isn't of the network.
    const device = chain === 'INPUT' ? '-i' : '-o';
    await inside('iptables', '-w', '-A', chain, device, 'eth0', ...rule, '-j', 'DROP');
  };
  return {
    name,
    get address() {
      return address;
    },
    command: ['ip', 'netns', 'exec', name],
    async deafTo(others) {
      if (others.length > 0) await drop('INPUT', '-s', others.map((other) => other.address).join(','));
    },
    lose: (share) => drop('INPUT', '-m', 'statistic', '--mode', 'random', '--probability', `${share}`),
    async silence() {
      await drop('INPUT');
      await drop('OUTPUT');
    },
    async moveTo(next) {
      await ip('-n', name, 'address', 'flush', 'dev', 'eth0', 'scope', 'global');
      await addAddress(name, next);
      address = next;
    },
    async limit(bitsPerSecond) {
      const rate = `${Math.round(bitsPerSecond)}bit`;
      await inside(
        'tc',
        'qdisc',
        'replace',
        'dev',
        'eth0',
        'root',
        'tbf',
        'rate',
        rate,
        'burst',
        '16kb',
        'latency',
        '300ms',
      );
    },
    async mend() {
      await inside('iptables', '-w', '-F');
      await inside('tc', 'qdisc', 'delete', 'dev', 'eth0', 'root').catch(() => undefined);
    },
    async traffic() {
      const line = (await inside('cat', '/proc/net/dev')).split('\n').find((one) => one.trim().startsWith('eth0:'));
      const fields = line?.split(':')[1]?.trim().split(/\s+/).map(Number) ?? [];
      return { receivedBytes: fields[0] ?? Number.NaN, sentBytes: fields[8] ?? Number.NaN };
    },
  };
}

/** Namespaces of processes that are gone; none of another test that still runs. */
async function removeStrays(): Promise<void> {
  for (const line of (await ip('netns', 'list')).split('\n')) {
    const name = line.split(' ')[0] ?? '';
    const pid = pattern.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await ip('netns', 'delete', name).catch(() => undefined);
  }
}

async function ip(...words: string[]): Promise<string> {
  try {
    return (await run('ip', words, { env: environment })).stdout;
  } catch (error) {
    const { stderr, message } = error as ExecFileException & { stderr: string };
    throw new Error(`"ip ${words.join(' ')}" failed: ${stderr || message}`, { cause: error });
  }
}
