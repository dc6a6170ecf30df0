// Shapes of monorepos, and of several languages in one project.
import { type Shape, shape } from './shape.ts';

const server = 'http.createServer(h).listen(3000)';
const lock = { 'package-lock.json': '{}' };

export const monorepoShapes: readonly Shape[] = [
  shape(
    'a workspace of npm with two applications and a library',
    {
      'package.json': { name: 'acme', private: true, workspaces: ['apps/*', 'packages/*'] },
      ...lock,
      '.nvmrc': '22',
      'apps/web/package.json': {
        name: '@acme/web',
        scripts: { build: 'vite build' },
        dependencies: { '@acme/ui': '*' },
        devDependencies: { vite: '5' },
      },
      'apps/web/index.html': '',
      'apps/api/package.json': {
        name: '@acme/api',
        scripts: { start: 'node index.js' },
        dependencies: { express: '4', '@acme/log': '*' },
      },
      'apps/api/index.js': 'app.listen(4000)',
      'packages/ui/package.json': { name: '@acme/ui', main: 'index.js', scripts: { build: 'tsc' } },
      'packages/ui/index.js': '',
      'packages/log/package.json': { name: '@acme/log' },
      'packages/log/index.js': '',
      'scripts/release.sh': '',
    },
    `
    project acme
    api apps/api node javascript express service [high]
      version  22 <- .nvmrc: its line says 22
      runtime  node 22.23.3
      manager  npm
      root     ., starts in apps/api
      source   apps/api/**
      source   packages/log/**
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- apps/api/package.json: scripts.start
      port     4000 [medium] <- apps/api/index.js: line 1 listens on 4000
      lock     package-lock.json (npm)
    web apps/web node javascript vite static [high]
      version  22 <- .nvmrc: its line says 22
      runtime  node 22.23.3
      manager  npm
      root     ., starts in .
      source   apps/web/**
      source   packages/ui/**
      install  npm ci
      build    npm run build --workspace=@acme/ui
      build    npm run build --workspace=@acme/web
      collect  cp -a apps/web/dist/. /out/
      health   / [low] <- apps/web/package.json: a page has a start
      lock     package-lock.json (npm)
    library . node <- package.json: has nothing that starts
    library packages/log node <- packages/log/package.json: has nothing that starts
    library packages/ui node <- packages/ui/package.json: has nothing that starts
  `,
  ),
  shape(
    'a workspace of pnpm with turbo',
    {
      'package.json': { name: 'turbo-acme', packageManager: 'pnpm@9.0.0' },
      'pnpm-workspace.yaml': 'packages:\n  - "apps/*"\n  - "!apps/old"\n  - "libs/**"\n',
      'pnpm-lock.yaml': '',
      'turbo.json': '{}',
      'apps/site/package.json': {
        name: 'site',
        scripts: { build: 'next build', start: 'next start' },
        dependencies: { next: '15', shared: 'workspace:*' },
      },
      'libs/shared/package.json': { name: 'shared', scripts: { build: 'tsup' } },
      'apps/old/package.json': { name: 'old' },
    },
    `
    project turbo-acme
    site apps/site node javascript next service [high]
      runtime  node 24.21.0
      manager  pnpm@9.0.0
      root     ., starts in apps/site
      source   apps/site/**
      source   libs/shared/**
      install  pnpm install --frozen-lockfile
      build    pnpm exec turbo run build --filter=site
      collect  cp -a . /out/
      start    next start [high] <- apps/site/package.json: scripts.start
      port     3000 [low] <- apps/site/package.json: the port of next
      lock     pnpm-lock.yaml (pnpm)
    library . node <- package.json: has nothing that starts
    library apps/old node <- apps/old/package.json: has nothing that starts
    library libs/shared node <- libs/shared/package.json: has nothing that starts
  `,
  ),
  shape(
    'a workspace of yarn with nx',
    {
      'package.json': { name: 'nx-acme', workspaces: { packages: ['services/*'] } },
      'yarn.lock': '',
      'nx.json': '{}',
      'services/mail/package.json': { name: 'mail', scripts: { start: 'node dist/main.js', build: 'tsc' } },
      'services/mail/src/main.ts': 'createServer().listen(3010)',
      'services/mail/tsconfig.json': '{}',
    },
    `
    project nx-acme
    mail services/mail node typescript service [high]
      runtime  node 24.21.0
      manager  yarn
      root     ., starts in services/mail
      source   services/mail/**
      install  yarn install --frozen-lockfile
      build    yarn nx run mail:build
      collect  cp -a . /out/
      start    node dist/main.js [high] <- services/mail/package.json: scripts.start
      port     3010 [medium] <- services/mail/src/main.ts: line 1 listens on 3010
      lock     yarn.lock (yarn)
    library . node <- package.json: has nothing that starts
  `,
  ),
  shape(
    'services in three languages without a workspace',
    {
      'services/api/go.mod': 'module x/api\n\ngo 1.19\n',
      'services/api/main.go': 'package main\nfunc main() {\n\thttp.ListenAndServe(":8000", nil)\n}\n',
      'services/ml/requirements.txt': 'fastapi==0.110\nuvicorn==0.29\n',
      'services/ml/main.py': 'app = FastAPI()\n',
      'services/web/package.json': { name: 'web', scripts: { build: 'vite build' }, devDependencies: { vite: '5' } },
      'services/web/package-lock.json': '{}',
      'services/web/index.html': '',
    },
    `
    project app
    api services/api go service [high]
      version  1.19 <- services/api/go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/api .
      tools    golang-go
      start    ./api [high] <- services/api/go.mod: builds api
      port     8000 [medium] <- services/api/main.go: line 3 listens on 8000
    ml services/ml python fastapi service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 main:app [high] <- services/ml/main.py: makes the application "app"
      port     8000 [medium] <- services/ml/main.py: makes the application "app"
      lock     services/ml/requirements.txt (pip)
    web services/web node javascript vite static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a dist/. /out/
      health   / [low] <- services/web/package.json: a page has a start
      lock     services/web/package-lock.json (npm)
    note .: no file names the project: it is called "app"; mend: change project.name
    note services/ml/requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'a backend and a page beside it',
    {
      'backend/requirements.txt': 'flask==3\ngunicorn==22\n',
      'backend/app.py': 'app = Flask(__name__)\n',
      'frontend/index.html': '<p>',
    },
    `
    project app
    backend backend python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m gunicorn --bind 0.0.0.0:5000 app:app [high] <- backend/app.py: makes the application "app"
      port     5000 [medium] <- backend/app.py: makes the application "app"
      lock     backend/requirements.txt (pip)
    frontend frontend static html static [medium]
      collect  cp -a ./. /out/
      health   / [high] <- frontend/index.html: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
    note backend/requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'a server of Go with a page of vite in its folder',
    {
      'go.mod': 'module x/full\n\ngo 1.19\n',
      'main.go': 'package main\nfunc main() { http.ListenAndServe(":8080", nil) }\n',
      'web/package.json': { name: 'ui', scripts: { build: 'vite build' }, devDependencies: { vite: '5' } },
      'web/yarn.lock': '',
      'web/index.html': '',
    },
    `
    project full
    full . go service [high]
      version  1.19 <- go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/full .
      tools    golang-go
      start    ./full [high] <- go.mod: builds full
      port     8080 [medium] <- main.go: line 2 listens on 8080
    ui web node javascript vite static [high]
      runtime  node 24.21.0
      manager  yarn
      install  yarn install --frozen-lockfile
      build    yarn run build
      collect  cp -a dist/. /out/
      health   / [low] <- web/package.json: a page has a start
      lock     web/yarn.lock (yarn)
  `,
  ),
  shape(
    'two applications of one name',
    {
      'a/server/package.json': { name: 'server', scripts: { start: 'node i.js' } },
      'a/server/package-lock.json': '{}',
      'a/server/i.js': server,
      'b/server/package.json': { name: 'server', scripts: { start: 'node i.js' } },
      'b/server/package-lock.json': '{}',
      'b/server/i.js': server,
    },
    `
    project app
    server a/server node javascript service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node i.js [high] <- a/server/package.json: scripts.start
      port     3000 [medium] <- a/server/i.js: line 1 listens on 3000
      lock     a/server/package-lock.json (npm)
    b-server b/server node javascript service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node i.js [high] <- b/server/package.json: scripts.start
      port     3000 [medium] <- b/server/i.js: line 1 listens on 3000
      lock     b/server/package-lock.json (npm)
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'a workspace of uv',
    {
      'pyproject.toml': '[project]\nname = "data"\n[tool.uv.workspace]\nmembers = ["packages/*"]\n',
      'uv.lock': '',
      'packages/ingest/pyproject.toml':
        '[project]\nname = "ingest"\ndependencies = ["fastapi", "uvicorn", "data-core"]\n',
      'packages/ingest/ingest/app.py': 'app = FastAPI()\n',
      'packages/core/pyproject.toml': '[project]\nname = "data_core"\n',
      'packages/core/core/__init__.py': '',
    },
    `
    project data
    ingest packages/ingest python fastapi service [high]
      runtime  python3 3.11.2
      manager  uv
      root     ., starts in packages/ingest
      source   packages/core/**
      source   packages/ingest/**
      install  python3 -c 'import tomllib; [print(p["name"] + "==" + p["version"], *["--hash=" + f["hash"] for f in [*p.get("wheels", []), *([p["sdist"]] if "sdist" in p else [])]]) for p in tomllib.load(open("uv.lock", "rb"))["package"] if "registry" in p["source"]]' > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --no-deps --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 ingest.app:app [high] <- packages/ingest/ingest/app.py: makes the application "app"
      port     8000 [medium] <- packages/ingest/ingest/app.py: makes the application "app"
      lock     uv.lock (uv)
    library . python <- pyproject.toml: has nothing that starts
    library packages/core python <- packages/core/pyproject.toml: has nothing that starts
  `,
  ),
  shape(
    'examples and tests that look like applications',
    {
      'package.json': { name: 'lib', main: 'index.js' },
      'index.js': '',
      'examples/basic/package.json': { name: 'basic', scripts: { start: 'node i.js' } },
      'test/fixtures/app/package.json': { name: 'fixture', scripts: { start: 'node i.js' } },
    },
    `
    project lib
    library . node <- package.json: has nothing that starts
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note examples/basic: 2 folders are taken for tests or examples and not deployed: examples/basic, test/fixtures/app; mend: add an application by hand where that is wrong
  `,
  ),
  shape(
    'documentation as a site of its own',
    {
      'go.mod': 'module x/tool\n\ngo 1.19\n',
      'main.go': 'package main\nfunc main() { http.ListenAndServe(":80", nil) }\n',
      'docs/package.json': {
        name: 'docs',
        scripts: { build: 'docusaurus build' },
        dependencies: { '@docusaurus/core': '3' },
      },
      'docs/package-lock.json': '{}',
    },
    `
    project tool
    tool . go service [high]
      version  1.19 <- go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/tool .
      tools    golang-go
      start    ./tool [high] <- go.mod: builds tool
      port     80 [medium] <- main.go: line 2 listens on 80
    docs docs node javascript docusaurus static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a build/. /out/
      health   / [low] <- docs/package.json: a page has a start
      lock     docs/package-lock.json (npm)
  `,
  ),
  shape(
    'a member that is not there',
    {
      'package.json': { name: 'gap', workspaces: ['apps/api', 'apps/gone'] },
      ...lock,
      'apps/api/package.json': { name: 'api', scripts: { start: 'node i.js' } },
      'apps/api/i.js': server,
    },
    `
    project gap
    api apps/api node javascript service [high]
      runtime  node 24.21.0
      manager  npm
      root     ., starts in apps/api
      source   apps/api/**
      install  npm ci
      collect  cp -a . /out/
      start    node i.js [high] <- apps/api/package.json: scripts.start
      port     3000 [medium] <- apps/api/i.js: line 1 listens on 3000
      lock     package-lock.json (npm)
    library . node <- package.json: has nothing that starts
    note package.json: names the member "apps/gone", which is not there; mend: remove it, or add its folder
  `,
  ),
];
