// Shapes of single projects of Node: managers, locks and versions.
import { type Shape, shape } from './shape.ts';

const express = { dependencies: { express: '^4.19.2' } };
const listens =
  "const app = require('express')();\napp.get('/health', (req, res) => res.send('ok'));\napp.listen(process.env.PORT || 3000);\n";

export const nodeShapes: readonly Shape[] = [
  shape(
    'npm with express, .nvmrc and a start script',
    {
      'package.json': {
        name: 'shop-api',
        scripts: { start: 'node server.js' },
        ...express,
        devDependencies: { jest: '^29' },
      },
      'package-lock.json': '{}',
      '.nvmrc': 'v18.20.4\n',
      'server.js': listens,
    },
    `
    project shop-api
    shop-api . node javascript express service [high]
      version  v18.20.4 <- .nvmrc: its line says v18.20.4
      runtime  nodejs 18.20.4
      manager  npm
      install  npm ci
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      tools    nodejs npm
      start    node server.js [high] <- package.json: scripts.start
      port     3000 [medium] <- server.js: line 3 listens on 3000
      health   /health [medium] <- server.js: line 2 answers /health
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'pnpm by its lock, engines as a range',
    {
      'package.json': {
        name: '@acme/api',
        engines: { node: '>=20' },
        scripts: { start: 'node src/index.js', build: 'tsc' },
        dependencies: { fastify: '^5.0.0' },
        devDependencies: { typescript: '^5' },
      },
      'pnpm-lock.yaml': '',
      'tsconfig.json': '{}',
      'src/index.js': "fastify.get('/healthz', h);\nfastify.listen({ port: 4000, host: '0.0.0.0' });\n",
    },
    `
    project api
    api . node typescript fastify service [high]
      version  >=20 <- package.json: engines.node says >=20
      runtime  node 24.21.0
      manager  pnpm
      install  pnpm install --frozen-lockfile
      build    pnpm run build
      collect  pnpm prune --prod
      collect  cp -a . /out/
      start    node src/index.js [high] <- package.json: scripts.start
      port     4000 [medium] <- src/index.js: line 2 listens on 4000
      health   /healthz [medium] <- src/index.js: line 1 answers /healthz
      lock     pnpm-lock.yaml (pnpm)
  `,
  ),
  shape(
    'yarn classic without a start script, main listens',
    {
      'package.json': { name: 'koala', main: './lib/main.js', dependencies: { koa: '2' } },
      'yarn.lock': '',
      'lib/main.js': 'const PORT = process.env.PORT ?? 8081;\napp.listen(PORT);\n',
    },
    `
    project koala
    koala . node javascript koa service [high]
      runtime  node 24.21.0
      manager  yarn
      install  yarn install --frozen-lockfile
      collect  cp -a . /out/
      start    node lib/main.js [high] <- package.json: main, which listens
      port     8081 [medium] <- lib/main.js: line 1 listens on 8081
      lock     yarn.lock (yarn)
  `,
  ),
  shape(
    'yarn berry by packageManager',
    {
      'package.json': {
        name: 'berry',
        packageManager: 'yarn@4.5.0',
        scripts: { start: 'node index.js' },
        dependencies: { express: '5' },
      },
      'yarn.lock': '',
      '.yarnrc.yml': '',
      'index.js': 'app.listen(5000)',
    },
    `
    project berry
    berry . node javascript express service [high]
      runtime  node 24.21.0
      manager  yarn@4.5.0
      install  yarn install --immutable
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     5000 [medium] <- index.js: line 1 listens on 5000
      lock     yarn.lock (yarn-berry)
  `,
  ),
  shape(
    'bun by its lock, run by bun',
    {
      'package.json': { name: 'bunny', scripts: { start: 'bun run src/index.ts' }, dependencies: { elysia: '1' } },
      'bun.lock': '',
      'src/index.ts': 'new Elysia().get("/", () => "hi").listen(3001)',
    },
    `
    project bunny
    bunny . node javascript elysia service [high]
      manager  bun
      install  bun install --frozen-lockfile
      collect  cp -a . /out/
      start    bun run src/index.ts [high] <- package.json: scripts.start
      port     3001 [medium] <- src/index.ts: line 1 listens on 3001
      lock     bun.lock (bun)
    note .: Bun can't be had as a Debian package; mend: run it on Node, or name a base image with Bun by its digest: Debian 12 has none
  `,
  ),
  shape(
    'bun as a manager alone',
    {
      'package.json': {
        name: 'half-bun',
        scripts: { start: 'node index.js' },
        dependencies: { hono: '4', '@hono/node-server': '1' },
      },
      'bun.lockb': '',
      'index.js': 'serve({ fetch: app.fetch, port: 8787 })',
    },
    `
    project half-bun
    half-bun . node javascript hono service [high]
      runtime  node 24.21.0
      manager  bun
      install  bun install --frozen-lockfile
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     8787 [medium] <- index.js: line 1 listens on 8787
      lock     bun.lockb (bun)
  `,
  ),
  shape(
    'packageManager decides over a lock of another',
    {
      'package.json': { name: 'mixed', packageManager: 'pnpm@9.12.0', scripts: { start: 'node a.js' } },
      'package-lock.json': '{}',
      'pnpm-lock.yaml': '',
      'a.js': 'require("http").createServer(h).listen(7000)',
    },
    `
    project mixed
    mixed . node javascript service [high]
      runtime  node 24.21.0
      manager  pnpm@9.12.0
      install  pnpm install --frozen-lockfile
      collect  cp -a . /out/
      start    node a.js [high] <- package.json: scripts.start
      port     7000 [medium] <- a.js: line 1 listens on 7000
      lock     pnpm-lock.yaml (pnpm)
    note package-lock.json: is a lock of another package manager than pnpm: it decides nothing; mend: remove package-lock.json
  `,
  ),
  shape(
    'no lock file',
    {
      'package.json': { name: 'loose', scripts: { start: 'node index.js' }, ...express },
      'index.js': listens,
    },
    `
    project loose
    loose . node javascript express service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm install
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 3 listens on 3000
      health   /health [medium] <- index.js: line 2 answers /health
    note package.json: no lock file: another day brings other versions; mend: write one: npm install --package-lock-only
  `,
  ),
  shape(
    'two pins that differ',
    {
      'package.json': { name: 'pins', scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      '.nvmrc': '20',
      '.node-version': '22.11.0',
      'index.js': 'http.createServer().listen(3000)',
    },
    `
    project pins
    pins . node javascript service [high]
      version  20 <- .nvmrc: its line says 20
      runtime  node 20.20.2
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
    note .node-version: wants node 22.11.0, and .nvmrc wants 20, which is nearer and decides; mend: keep one of them
  `,
  ),
  shape(
    'a version of .tool-versions that is exact',
    {
      'package.json': { name: 'asdf', scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      '.tool-versions': 'nodejs 22.11.0\npython 3.11.4\n',
      'index.js': 'http.createServer().listen(3000)',
    },
    `
    project asdf
    asdf . node javascript service [high]
      version  22.11.0 <- .tool-versions: its line says 22.11.0
      runtime  node 22.11.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'a version of mise.toml',
    {
      'package.json': { name: 'mise', scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      'mise.toml': '[tools]\nnode = "20"\n',
      'index.js': 'http.createServer().listen(3000)',
    },
    `
    project mise
    mise . node javascript service [high]
      version  20 <- mise.toml: tools says 20
      runtime  node 20.20.2
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'a version that moves',
    {
      'package.json': { name: 'lts', scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      '.nvmrc': 'lts/*',
      'index.js': 'http.createServer().listen(3000)',
    },
    `
    project lts
    lts . node javascript service [high]
      version  lts/* <- .nvmrc: its line says lts/*
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
    note .nvmrc: "lts/*" is no fixed version of Node; mend: write a number, such as a major version
  `,
  ),
  shape(
    'a line by its name',
    {
      'package.json': { name: 'iron', scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      '.nvmrc': 'lts/iron',
      'index.js': 'http.createServer().listen(3000)',
    },
    `
    project iron
    iron . node javascript service [high]
      version  lts/iron <- .nvmrc: its line says lts/iron
      runtime  node 20.20.2
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
  `,
  ),
];
