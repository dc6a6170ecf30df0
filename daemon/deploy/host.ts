// What the host of this stack has, and what its owner lets containers have (HOME/ceiling.json).
import { existsSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { EngineInfo } from '#container-ci';
import { parseListening } from '#container-ci/docker';
import { type HostCeiling, type HostFacts, narrowCeiling } from '#cookbooks';
import { DaemonError } from '../errors.ts';

const amount = z.int().min(1).optional();
const words = z.array(z.string().min(1).max(1024)).max(100).default([]);

const ceilingSchema = z.strictObject({
  memoryMib: amount,
  millicpus: amount,
  processes: amount,
  capabilities: words,
  hostPaths: z.array(z.string().startsWith('/').max(1024)).max(100).default([]),
  devices: words,
  hostNamespaces: z
    .array(z.enum(['network', 'pid', 'ipc', 'uts']))
    .max(4)
    .default([]),
  privileged: z.boolean().default(false),
  seccompUnconfined: z.boolean().default(false),
  mayGainPrivileges: z.boolean().default(false),
});

/** Where there is no file all that is wide is off. It is a file of the host alone: no call, role or policy reaches it. */
export async function readCeiling(home: string): Promise<HostCeiling> {
  const file = path.join(home, 'ceiling.json');
  if (!existsSync(file)) return narrowCeiling;
  try {
    return ceilingSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    const said = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new DaemonError('bad-config', `Cannot read the ceiling of this host "${file}": ${said}`, {
      cause,
      mend: 'mend it, or remove it to allow nothing wide',
    });
  }
}

/** Addresses on which a listener keeps 127.0.0.1 from others. */
const covering = new Set(['127.0.0.1', '0.0.0.0', '::', '::ffff:127.0.0.1']);

export async function readHostFacts(info: EngineInfo): Promise<HostFacts> {
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
  const [tcp, tcp6, most, disk] = await Promise.all([
    read('/proc/net/tcp'),
    read('/proc/net/tcp6'),
    read('/proc/sys/kernel/pid_max'),
    info.folder === '' ? undefined : statfs(info.folder).catch(() => undefined),
  ]);
  const listening = [...parseListening(tcp, 'tcp'), ...parseListening(tcp6, 'tcp6')];
  return {
    memoryBytes: info.memoryBytes || undefined,
    cpus: info.cpus || undefined,
    processes: Number(most.trim()) || undefined,
    freeBytes: disk && disk.bavail * disk.bsize,
    takenPorts: new Set(listening.flatMap(({ address, port }) => (covering.has(address) ? [port] : []))),
  };
}
