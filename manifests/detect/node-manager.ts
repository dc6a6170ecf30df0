// Which package manager a project of Node uses, and what each command of it is.
import type { Evidence, Lockfile } from './plan.ts';
import { type Folder, table, text } from './project.ts';
import { noteNoLock } from './provider.ts';

export type ManagerName = 'npm' | 'pnpm' | 'yarn' | 'bun';

export interface NodeManager {
  readonly name: ManagerName;
  /** With its version where `packageManager` names one. */
  readonly label: string;
  readonly evidence: Evidence;
  readonly lockfiles: readonly Lockfile[];
  readonly install: string;
  /** Undefined where it has no way that leaves the rest of a workspace whole. */
  readonly prune: string | undefined;
  run(script: string, workspace?: string): string;
  exec(command: string): string;
}

const lockNames: readonly (readonly [string, ManagerName])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
];

/** By `packageManager`, then the lock file, then `engines`; `root` is the workspace's, or the application's own folder. */
export function nodeManagerOf(root: Folder): NodeManager {
  const manifest = root.json('package.json');
  const declared = /^(npm|pnpm|yarn|bun)@([\w.-]+)/.exec(text(manifest?.['packageManager']) ?? '');
  const locks = lockNames.filter(([file]) => root.has(file));
  const engine = (['pnpm', 'yarn', 'bun'] as const).find((name) => table(manifest?.['engines'])[name] !== undefined);
  const name = (declared?.[1] as ManagerName | undefined) ?? locks[0]?.[1] ?? engine ?? 'npm';
  const own = locks.filter(([, manager]) => manager === name);
  const others = locks.filter(([, manager]) => manager !== name);
  if (others.length > 0 && own.length > 0) {
    const files = others.map(([file]) => file).join(', ');
    root.note(
      others[0]?.[0] ?? '',
      `is a lock of another package manager than ${name}: it decides nothing`,
      `remove ${files}`,
    );
  }
  const isLocked = own.length > 0;
  const isModern = name === 'yarn' && (root.has('.yarnrc.yml') || Number(declared?.[2]?.split('.')[0] ?? 1) > 1);
  if (!isLocked) noteNoLock(root, 'package.json', `write one: ${lockCommand[name]}`);
  const what = declared
    ? root.evidence('package.json', `packageManager is ${declared[0]}`)
    : locks[0]
      ? root.evidence(locks[0][0], `a lock of ${name}`)
      : engine
        ? root.evidence('package.json', `engines names ${name}`)
        : root.evidence('package.json', 'no lock: npm is what Node brings');
  return {
    name,
    label: declared ? declared[0] : isModern ? 'yarn@berry' : name,
    evidence: what,
    lockfiles: own.slice(0, 1).map(([file]) => ({ path: root.at(file), kind: isModern ? 'yarn-berry' : name })),
    install: (isLocked ? lockedInstall : looseInstall)[isModern ? 'berry' : name],
    prune: { npm: 'npm prune --omit=dev', pnpm: 'pnpm prune --prod', yarn: undefined, bun: undefined }[name],
    run(script, workspace) {
      const call = script === 'build' && name === 'yarn' ? 'yarn run build' : `${name} run ${script}`;
      if (workspace === undefined) return call;
      if (name === 'npm') return `npm run ${script} --workspace=${workspace}`;
      if (name === 'pnpm') return `pnpm --filter ${workspace} run ${script}`;
      if (name === 'yarn') return `yarn workspace ${workspace} run ${script}`;
      return `bun run --filter ${workspace} ${script}`;
    },
    exec: (command) => ({ npm: 'npx ', pnpm: 'pnpm exec ', yarn: 'yarn ', bun: 'bunx ' })[name] + command,
  };
}

const lockCommand = {
  npm: 'npm install --package-lock-only',
  pnpm: 'pnpm install --lockfile-only',
  yarn: 'yarn install',
  bun: 'bun install --lockfile-only',
} as const;

const lockedInstall = {
  npm: 'npm ci',
  pnpm: 'pnpm install --frozen-lockfile',
  yarn: 'yarn install --frozen-lockfile',
  berry: 'yarn install --immutable',
  bun: 'bun install --frozen-lockfile',
} as const;

const looseInstall = {
  npm: 'npm install',
  pnpm: 'pnpm install',
  yarn: 'yarn install',
  berry: 'yarn install',
  bun: 'bun install',
} as const;
