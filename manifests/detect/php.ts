// What a project of PHP is: Laravel, Symfony or plain, its extensions as Debian packages, and its start.
import type { Draft } from './plan.ts';
import { type Folder, table, text } from './project.ts';
import { habit, noteNoLock, type Provider, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { scanHealth } from './scan.ts';

export const phpProvider: Provider = {
  name: 'php',
  marks: ['composer.json', 'artisan'],
  weakMarks: ['index.php'],
  detect: (folder) => (folder.first('composer.json', 'artisan', 'index.php') ? [draftOf(folder)] : []),
};

const frameworks = [
  ['laravel', 'laravel/framework'],
  ['symfony', 'symfony/framework-bundle'],
  ['slim', 'slim/slim'],
  ['codeigniter', 'codeigniter4/framework'],
  ['cakephp', 'cakephp/cakephp'],
  ['yii', 'yiisoft/yii2'],
  ['laminas', 'laminas/laminas-mvc'],
] as const;

/** Debian packages of extensions; what isn't here is part of PHP itself. */
const extensions: Readonly<Record<string, string>> = {
  bcmath: 'php-bcmath',
  curl: 'php-curl',
  dom: 'php-xml',
  gd: 'php-gd',
  gmp: 'php-gmp',
  imagick: 'php-imagick',
  intl: 'php-intl',
  ldap: 'php-ldap',
  mbstring: 'php-mbstring',
  mysqli: 'php-mysql',
  pdo_mysql: 'php-mysql',
  pdo_pgsql: 'php-pgsql',
  pdo_sqlite: 'php-sqlite3',
  pgsql: 'php-pgsql',
  redis: 'php-redis',
  simplexml: 'php-xml',
  soap: 'php-soap',
  sqlite3: 'php-sqlite3',
  xml: 'php-xml',
  xmlreader: 'php-xml',
  xmlwriter: 'php-xml',
  zip: 'php-zip',
};

const port = 8000;

function draftOf(folder: Folder): Draft {
  const composer = folder.json('composer.json');
  const require = table(composer?.['require']);
  const framework =
    frameworks.find(([, name]) => require[name] !== undefined)?.[0] ?? (folder.has('artisan') ? 'laravel' : undefined);
  const root =
    ['public', 'web', 'webroot', 'htdocs', 'www'].find((each) => folder.has(`${each}/index.php`)) ??
    (folder.has('index.php') ? '.' : undefined);
  const mark = folder.first('composer.json', 'artisan', 'index.php') ?? 'composer.json';
  const base = {
    path: folder.path,
    provider: 'php',
    language: 'php',
    named: text(composer?.['name'])?.split('/').at(-1),
    ...(framework ? { framework } : {}),
  } as const;
  if (root === undefined) {
    return {
      ...base,
      role: 'library',
      type: 'tool',
      confidence: 'medium',
      runtime: { name: 'php', wanted: undefined, from: undefined, packages: [], version: undefined },
      evidence: [folder.evidence(mark, 'has no index.php')],
      install: [],
      build: [],
      collect: [],
      lockfiles: [],
    };
  }
  const toolchain = toolchainOf(folder, 'php');
  const needs = Object.keys(require).flatMap((name) => extensions[/^ext-(.+)$/.exec(name)?.[1] ?? ''] ?? []);
  const usual =
    framework === 'laravel'
      ? ['php-curl', 'php-mbstring', 'php-xml']
      : framework === 'symfony'
        ? ['php-intl', 'php-mbstring', 'php-xml']
        : [];
  const isLocked = folder.has('composer.lock');
  const hasPackages = Object.keys(require).some((name) => name.includes('/'));
  if (hasPackages && !isLocked) noteNoLock(folder, 'composer.json', 'write one: composer update --no-install');
  folder.note(
    mark,
    "starts with PHP's own server, which is meant for small loads",
    'for more, put php-fpm behind nginx',
  );
  const up = /health\s*:\s*['"](\/[\w/-]{1,60})['"]/.exec(folder.read('bootstrap/app.php') ?? '')?.[1];
  const health = up ? said(folder, 'bootstrap/app.php', up, `health is ${up}`) : scanHealth(folder, 'php');
  return {
    ...base,
    role: 'application',
    type: 'service',
    ...(composer ? { manager: 'composer' } : {}),
    confidence: framework || composer ? 'high' : 'medium',
    runtime: toolchain.runtime,
    evidence: withEvidence(
      folder.evidence(mark, framework ? `a project of ${framework}` : 'a project of PHP'),
      folder.evidence(root === '.' ? 'index.php' : `${root}/index.php`, 'is where requests arrive'),
      toolchain.evidence,
    ),
    install: hasPackages
      ? [
          `composer ${isLocked ? 'install' : 'update'} --no-dev --no-interaction --optimize-autoloader${framework ? ' --no-scripts' : ''}`,
        ]
      : [],
    build: [],
    collect: ['cp -a . /out/'],
    buildPackages: hasPackages ? toolchain.build : [],
    runPackages: [...new Set([...usual, ...needs])],
    start: habit(
      folder,
      root === '.' ? 'index.php' : `${root}/index.php`,
      `php -S 0.0.0.0:${port} -t ${root}`,
      "PHP's own server",
    ),
    port: habit(folder, mark, port, "the port of PHP's own server"),
    ...(health ? { health } : {}),
    environment: {
      PHP_CLI_SERVER_WORKERS: '4',
      ...(framework === 'laravel' ? { LOG_CHANNEL: 'stderr' } : {}),
      ...(framework === 'symfony' ? { APP_ENV: 'prod' } : {}),
    },
    lockfiles: isLocked ? [{ path: folder.at('composer.lock'), kind: 'composer' }] : [],
  };
}
