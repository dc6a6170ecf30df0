// Shapes of projects of PHP, Ruby, Deno and Elixir.
import { type Shape, shape } from './shape.ts';

export const scriptedShapes: readonly Shape[] = [
  shape(
    'laravel with assets of vite',
    {
      'composer.json': {
        name: 'acme/portal',
        require: { php: '^8.2', 'laravel/framework': '^11', 'ext-pdo_pgsql': '*', 'ext-json': '*' },
      },
      'composer.lock': '{}',
      artisan: '',
      'public/index.php': '',
      'bootstrap/app.php': "->withRouting(web: '/web.php', health: '/up')",
      'package.json': {
        scripts: { build: 'vite build', dev: 'vite' },
        devDependencies: { vite: '5', 'laravel-vite-plugin': '1' },
      },
      'package-lock.json': '{}',
      'vite.config.js': '',
    },
    `
    project portal
    portal . php laravel service [high]
      version  ^8.2 <- composer.json: require.php says ^8.2
      runtime  node 24.21.0, php-cli 8.2.26
      manager  composer
      install  composer install --no-dev --no-interaction --optimize-autoloader --no-scripts
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      tools    composer php-cli
      beside   php-curl php-mbstring php-xml php-pgsql
      start    php -S 0.0.0.0:8000 -t public [low] <- public/index.php: PHP's own server
      port     8000 [low] <- composer.json: the port of PHP's own server
      health   /up [high] <- bootstrap/app.php: health is /up
      lock     composer.lock (composer)
      lock     package-lock.json (npm)
    assets . node <- package-lock.json: a lock of npm
    note composer.json: starts with PHP's own server, which is meant for small loads; mend: for more, put php-fpm behind nginx
  `,
  ),
  shape(
    'symfony',
    {
      'composer.json': {
        name: 'acme/sym',
        require: { php: '>=8.1', 'symfony/framework-bundle': '7.*', 'ext-intl': '*' },
      },
      'composer.lock': '{}',
      'public/index.php': '',
      'src/Controller/Health.php': "#[Route('/health', methods: ['GET'])]\n",
    },
    `
    project sym
    sym . php symfony service [high]
      version  >=8.1 <- composer.json: require.php says >=8.1
      runtime  php-cli 8.2.26
      manager  composer
      install  composer install --no-dev --no-interaction --optimize-autoloader --no-scripts
      collect  cp -a . /out/
      tools    composer php-cli
      beside   php-intl php-mbstring php-xml
      start    php -S 0.0.0.0:8000 -t public [low] <- public/index.php: PHP's own server
      port     8000 [low] <- composer.json: the port of PHP's own server
      health   /health [medium] <- src/Controller/Health.php: line 1 answers /health
      lock     composer.lock (composer)
    note composer.json: starts with PHP's own server, which is meant for small loads; mend: for more, put php-fpm behind nginx
  `,
  ),
  shape(
    'slim without a lock, for a later PHP',
    {
      'composer.json': { name: 'acme/slim', require: { php: '^8.3', 'slim/slim': '4.*' } },
      'public/index.php': "$app->get('/healthz', fn() => 1);\n",
    },
    `
    project slim
    slim . php slim service [high]
      version  ^8.3 <- composer.json: require.php says ^8.3
      manager  composer
      install  composer update --no-dev --no-interaction --optimize-autoloader --no-scripts
      collect  cp -a . /out/
      start    php -S 0.0.0.0:8000 -t public [low] <- public/index.php: PHP's own server
      port     8000 [low] <- composer.json: the port of PHP's own server
      health   /healthz [medium] <- public/index.php: line 1 answers /healthz
    note composer.json: no lock file: another day brings other versions; mend: write one: composer update --no-install
    note composer.json: starts with PHP's own server, which is meant for small loads; mend: for more, put php-fpm behind nginx
    note composer.json: wants PHP ^8.3, and Debian 12 has 8.2.26; mend: let it run on PHP 8.2, or name a base image with that version by its digest
  `,
  ),
  shape(
    'plain php',
    { 'index.php': '<?php echo 1;\n', '.php-version': '8.2\n' },
    `
    project app
    app . php service [medium]
      version  8.2 <- .php-version: its line says 8.2
      runtime  php-cli 8.2.26
      collect  cp -a . /out/
      start    php -S 0.0.0.0:8000 -t . [low] <- index.php: PHP's own server
      port     8000 [low] <- index.php: the port of PHP's own server
    note .: no file names the project: it is called "app"; mend: change project.name
    note index.php: starts with PHP's own server, which is meant for small loads; mend: for more, put php-fpm behind nginx
  `,
  ),
  shape(
    'a library of php',
    { 'composer.json': { name: 'acme/money', autoload: {} }, 'src/Money.php': '' },
    `
    project money
    library . php <- composer.json: has no index.php
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'rails',
    {
      Gemfile:
        "source 'https://rubygems.org'\nruby '3.1.2'\ngem 'rails', '~> 7.1'\ngem 'pg'\ngem 'puma'\ngem 'propshaft'\n",
      'Gemfile.lock': '',
      'config.ru': '',
      'config/puma.rb': 'port ENV.fetch("PORT") { 3000 }\n',
      'config/routes.rb': 'get "up" => "rails/health#show", as: :rails_health_check\n',
    },
    `
    project app
    app . ruby rails service [high]
      version  3.1.2 <- Gemfile: its ruby line says 3.1.2
      runtime  ruby 3.1.2
      manager  bundler
      install  bundle config set --local path .bundle/gems
      install  bundle config set --local without development:test
      install  bundle config set --local frozen true
      install  bundle install
      build    SECRET_KEY_BASE_DUMMY=1 RAILS_ENV=production bundle exec rails assets:precompile
      collect  cp -a . /out/
      tools    bundler ruby ruby-dev build-essential libpq-dev libssl-dev
      beside   bundler libpq5 libssl3
      start    bundle exec puma -b tcp://0.0.0.0:3000 [low] <- config/puma.rb: how Rails starts
      port     3000 [high] <- config/puma.rb: port is 3000
      health   /up [high] <- config/routes.rb: the health check of Rails
      lock     Gemfile.lock (bundler)
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'sinatra, classic',
    {
      Gemfile: "gem 'sinatra'\ngem 'puma'\n",
      'Gemfile.lock': '',
      'app.rb': "require 'sinatra'\nset :port, 8099\nget '/health' do\nend\n",
    },
    `
    project app
    app . ruby sinatra service [high]
      runtime  ruby 3.1.2
      manager  bundler
      install  bundle config set --local path .bundle/gems
      install  bundle config set --local without development:test
      install  bundle config set --local frozen true
      install  bundle install
      collect  cp -a . /out/
      tools    bundler ruby ruby-dev build-essential libssl-dev
      beside   bundler libssl3
      start    bundle exec ruby app.rb -o 0.0.0.0 -p 8099 [high] <- app.rb: a classic application of Sinatra
      port     8099 [medium] <- app.rb: line 2 listens on 8099
      health   /health [medium] <- app.rb: line 3 answers /health
      lock     Gemfile.lock (bundler)
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'rack without a lock and with a Ruby that Debian 12 does not have',
    { Gemfile: "gem 'rack'\ngem 'rackup'\n", '.ruby-version': 'ruby-3.3.0\n', 'config.ru': 'run App\n' },
    `
    project app
    app . ruby rack service [high]
      version  3.3.0 <- .ruby-version: its line says 3.3.0
      manager  bundler
      install  bundle config set --local path .bundle/gems
      install  bundle config set --local without development:test
      install  bundle install
      collect  cp -a . /out/
      start    bundle exec rackup --host 0.0.0.0 --port 9292 [high] <- config.ru: an application of Rack
      port     9292 [low] <- Gemfile: the port of rack
    note .: no file names the project: it is called "app"; mend: change project.name
    note .ruby-version: wants Ruby 3.3.0, and Debian 12 has 3.1.2; mend: let it run on Ruby 3.1, or name a base image with that version by its digest
    note Gemfile: no lock file: another day brings other versions; mend: write one: bundle lock
  `,
  ),
  shape(
    'a worker of ruby',
    { Gemfile: "gem 'sidekiq'\n", 'Gemfile.lock': '', 'worker.rb': 'loop {}\n' },
    `
    project app
    app . ruby worker [medium]
      runtime  ruby 3.1.2
      manager  bundler
      install  bundle config set --local path .bundle/gems
      install  bundle config set --local without development:test
      install  bundle config set --local frozen true
      install  bundle install
      collect  cp -a . /out/
      tools    bundler ruby ruby-dev
      beside   bundler
      start    bundle exec ruby worker.rb [medium] <- worker.rb: the usual name of a start
      lock     Gemfile.lock (bundler)
    note .: no file names the project: it is called "app"; mend: change project.name
    note worker.rb: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
  `,
  ),
  shape(
    'a Gemfile for tools alone',
    { Gemfile: "gem 'rubocop'\n" },
    `
    project app
    library . ruby <- Gemfile: has nothing that starts
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'deno with a task',
    {
      'deno.json':
        '{\n  // the tasks\n  "name": "@acme/dns",\n  "tasks": { "start": "deno run -A --port=8888 main.ts" },\n}\n',
      'deno.lock': '{}',
      'main.ts': 'Deno.serve(h)',
    },
    `
    project dns
    dns . deno typescript service [high]
      manager  deno
      install  deno install --frozen --entrypoint main.ts
      collect  cp -a . /out/
      start    deno run -A --port=8888 main.ts [high] <- deno.json: tasks.start
      port     8888 [high] <- deno.json: tasks.start
      lock     deno.lock (deno)
    note .: Deno can't be had as a Debian package; mend: name a base image with Deno by its digest: Debian 12 has none
  `,
  ),
  shape(
    'deno that serves, without a lock',
    { 'deno.jsonc': '{}', 'main.ts': "Deno.serve({ port: 4242 }, h);\nif (url.pathname === '/health') {}\n" },
    `
    project app
    app . deno typescript service [high]
      manager  deno
      install  deno install --entrypoint main.ts
      collect  cp -a . /out/
      start    deno run --allow-net --allow-env --allow-read main.ts [high] <- main.ts: serves
      port     4242 [medium] <- main.ts: line 1 listens on 4242
      health   /health [medium] <- main.ts: line 2 answers /health
    note .: Deno can't be had as a Debian package; mend: name a base image with Deno by its digest: Debian 12 has none
    note .: no file names the project: it is called "app"; mend: change project.name
    note deno.jsonc: no lock file: another day brings other versions; mend: write one: deno install --entrypoint main.ts
  `,
  ),
  shape(
    'a library of deno',
    { 'deno.json': { name: '@acme/lib', exports: './mod.ts' }, 'mod.ts': 'export const x = 1;' },
    `
    project lib
    library . deno <- deno.json: has nothing that starts
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'phoenix',
    {
      'mix.exs':
        'def project do\n  [app: :chatter, elixir: "~> 1.14", deps: deps(), aliases: aliases()]\nend\ndef application, do: [mod: {Chatter.Application, []}]\ndefp deps do\n  [{:phoenix, "~> 1.7"}]\nend\n"assets.deploy": []\n',
      'mix.lock': '',
      'config/runtime.exs': 'port = String.to_integer(System.get_env("PORT") || "4040")\n',
      'lib/chatter_web/router.ex': 'get "/health", HealthController, :show\n',
    },
    `
    project chatter
    chatter . elixir phoenix service [high]
      version  ~> 1.14 <- mix.exs: elixir says ~> 1.14
      runtime  elixir erlang-base 1.14.0
      manager  mix
      install  MIX_ENV=prod mix deps.get --only prod --check-locked
      build    MIX_ENV=prod mix assets.deploy
      build    MIX_ENV=prod mix release --path /out
      tools    elixir erlang-dev git
      beside   libncurses6 libssl3
      start    bin/chatter start [high] <- mix.exs: the release chatter
      port     4040 [high] <- config/runtime.exs: PORT is 4040 unless told
      health   /health [medium] <- lib/chatter_web/router.ex: line 1 answers /health
      lock     mix.lock (mix)
  `,
  ),
  shape(
    'plug with a later Elixir and no lock',
    {
      'mix.exs': '[app: :plugged, elixir: "~> 1.17", deps: deps()]\nmod: {Plugged, []}\n{:bandit, "~> 1.0"}\n',
      'lib/plugged.ex': '{Bandit, plug: Router, port: 4001}',
    },
    `
    project plugged
    plugged . elixir plug service [high]
      version  ~> 1.17 <- mix.exs: elixir says ~> 1.17
      manager  mix
      install  MIX_ENV=prod mix deps.get --only prod
      build    MIX_ENV=prod mix release --path /out
      tools    git
      start    bin/plugged start [high] <- mix.exs: the release plugged
      port     4001 [medium] <- lib/plugged.ex: line 1 listens on 4001
    note mix.exs: no lock file: another day brings other versions; mend: write one: mix deps.get
    note mix.exs: wants Elixir ~> 1.17, and Debian 12 has 1.14.0; mend: let it run on Elixir 1.14, or name a base image with that version by its digest
  `,
  ),
  shape(
    'a library of elixir',
    { 'mix.exs': '[app: :units, deps: []]\n' },
    `
    project units
    library . elixir <- mix.exs: has no application that starts
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
];
