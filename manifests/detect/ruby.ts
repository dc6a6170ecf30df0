// What a project of Ruby is: Rails, Sinatra, another application of Rack, or plain.
import type { Draft, Found } from './plan.ts';
import { below, type Folder } from './project.ts';
import { firstOf, habit, noteNoLock, type Provider, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { filesWith, scanHealth, scanPort } from './scan.ts';

export const rubyProvider: Provider = {
  name: 'ruby',
  marks: ['Gemfile', 'config.ru'],
  detect: (folder) => [draftOf(folder)],
};

/** Debian packages that gems with parts in C are built and run with. */
const native: Readonly<Record<string, { readonly build: string; readonly run: string }>> = {
  pg: { build: 'libpq-dev', run: 'libpq5' },
  mysql2: { build: 'default-libmysqlclient-dev', run: 'libmariadb3' },
  sqlite3: { build: 'libsqlite3-dev', run: 'libsqlite3-0' },
  nokogiri: { build: 'libxml2-dev', run: 'libxml2' },
  puma: { build: 'libssl-dev', run: 'libssl3' },
};

function draftOf(folder: Folder): Draft {
  const gems = gemsOf(folder);
  const framework = gems.has('rails')
    ? 'rails'
    : gems.has('sinatra')
      ? 'sinatra'
      : gems.has('hanami')
        ? 'hanami'
        : gems.has('roda')
          ? 'roda'
          : folder.has('config.ru')
            ? 'rack'
            : undefined;
  const mark = folder.first('Gemfile', 'config.ru') ?? 'Gemfile';
  const start = startOf(folder, framework, gems);
  const base = {
    path: folder.path,
    provider: 'ruby',
    language: 'ruby',
    named: undefined,
    ...(framework ? { framework } : {}),
  } as const;
  if (!start) {
    return {
      ...base,
      role: 'library',
      type: 'tool',
      confidence: 'medium',
      runtime: { name: 'ruby', wanted: undefined, from: undefined, packages: [], version: undefined },
      evidence: [folder.evidence(mark, 'has nothing that starts')],
      install: [],
      build: [],
      collect: [],
      lockfiles: [],
    };
  }
  const toolchain = toolchainOf(folder, 'ruby');
  const isLocked = folder.has('Gemfile.lock');
  if (!isLocked && folder.has('Gemfile')) noteNoLock(folder, 'Gemfile', 'write one: bundle lock');
  const usual =
    framework === 'sinatra'
      ? 4567
      : framework === 'hanami'
        ? 2300
        : framework === undefined
          ? undefined
          : framework === 'rails'
            ? 3000
            : 9292;
  const port = firstOf(
    portInPuma(folder),
    scanPort(folder, 'ruby'),
    portOfExample(folder),
    usual === undefined ? undefined : habit(folder, mark, usual, `the port of ${framework}`),
  );
  const health = healthOf(folder);
  const gemsNative = Object.entries(native).filter(([name]) => gems.has(name));
  const isPiped =
    framework === 'rails' && (gems.has('sprockets-rails') || gems.has('propshaft') || folder.has('app/assets'));
  return {
    ...base,
    role: 'application',
    type: port ? 'service' : 'worker',
    manager: 'bundler',
    confidence: framework ? 'high' : 'medium',
    runtime: toolchain.runtime,
    evidence: withEvidence(
      folder.evidence(mark, framework && gems.has(framework) ? `names the gem ${framework}` : 'a project of Ruby'),
      toolchain.evidence,
    ),
    install: folder.has('Gemfile')
      ? [
          'bundle config set --local path .bundle/gems',
          `bundle config set --local without development:test`,
          ...(isLocked ? ['bundle config set --local frozen true'] : []),
          'bundle install',
        ]
      : [],
    build: isPiped ? ['SECRET_KEY_BASE_DUMMY=1 RAILS_ENV=production bundle exec rails assets:precompile'] : [],
    collect: ['cp -a . /out/'],
    buildPackages: [
      ...toolchain.build,
      ...(gemsNative.length > 0 ? ['build-essential', ...gemsNative.map(([, each]) => each.build)] : []),
    ],
    runPackages: [
      ...(folder.has('Gemfile') && toolchain.runtime.packages.length > 0 ? ['bundler'] : []),
      ...gemsNative.map(([, each]) => each.run),
    ],
    start: { ...start, value: start.value.replace('$PORT', String(port?.value ?? usual ?? 3000)) },
    ...(port ? { port } : {}),
    ...(health ? { health } : {}),
    environment:
      framework === 'rails'
        ? { RAILS_ENV: 'production', RAILS_LOG_TO_STDOUT: '1', RAILS_SERVE_STATIC_FILES: '1' }
        : { RACK_ENV: 'production' },
    lockfiles: isLocked ? [{ path: folder.at('Gemfile.lock'), kind: 'bundler' }] : [],
  };
}

function gemsOf(folder: Folder): ReadonlySet<string> {
  return new Set(
    [...(folder.read('Gemfile') ?? '').matchAll(/^[ \t]*gem[ (]+['"]([\w-]{1,60})['"]/gm)].map(([, name = '']) => name),
  );
}

function startOf(folder: Folder, framework: string | undefined, gems: ReadonlySet<string>): Found<string> | undefined {
  if (framework === 'rails')
    return habit(
      folder,
      folder.first('config/puma.rb', 'Gemfile') ?? 'Gemfile',
      gems.has('puma') || folder.has('config/puma.rb')
        ? 'bundle exec puma -b tcp://0.0.0.0:$PORT'
        : 'bundle exec rails server -b 0.0.0.0 -p $PORT',
      'how Rails starts',
    );
  if (folder.has('config.ru')) {
    const server = gems.has('puma')
      ? 'bundle exec puma -b tcp://0.0.0.0:$PORT'
      : 'bundle exec rackup --host 0.0.0.0 --port $PORT';
    return said(
      folder,
      'config.ru',
      folder.has('Gemfile') ? server : server.replace('bundle exec ', ''),
      'an application of Rack',
    );
  }
  const classic = filesWith(folder, 'ruby', /require ['"]sinatra['"]/)[0]?.file;
  if (classic)
    return said(folder, classic, `bundle exec ruby ${classic} -o 0.0.0.0 -p $PORT`, 'a classic application of Sinatra');
  const file = folder.first('main.rb', 'app.rb', 'server.rb', 'worker.rb', 'bot.rb');
  return file
    ? {
        value: `bundle exec ruby ${file}`,
        from: folder.evidence(file, 'the usual name of a start'),
        confidence: 'medium',
      }
    : undefined;
}

function portInPuma(folder: Folder): Found<number> | undefined {
  const port = Number(
    /^[ \t]*port[ (]+(?:ENV[^{,\n]{0,40}[{,][ \t]*)?['"]?(\d{2,5})/m.exec(folder.read('config/puma.rb') ?? '')?.[1],
  );
  return port > 0 ? said(folder, 'config/puma.rb', port, `port is ${port}`) : undefined;
}

function healthOf(folder: Folder): Found<string> | undefined {
  const route = /^[ \t]*get[ (]+['"]\/?([\w/-]{1,60})['"][ \t]*=>[ \t]*['"]rails\/health#show['"]/m.exec(
    folder.read('config/routes.rb') ?? '',
  )?.[1];
  if (route) return said(folder, 'config/routes.rb', `/${route}`, 'the health check of Rails');
  const found = scanHealth(folder, 'ruby');
  return found && { ...found, from: folder.evidence(below(found.from.file, folder.path), found.from.what) };
}
