// Shapes of the frameworks of Node, most of which make pages.
import { type Shape, shape } from './shape.ts';

const lock = { 'package-lock.json': '{}' };

export const siteShapes: readonly Shape[] = [
  shape(
    'astro with a server',
    {
      ...lock,
      'package.json': {
        name: 'blog-server',
        scripts: { build: 'astro build' },
        dependencies: { astro: '^4.0.0', '@astrojs/node': '8' },
      },
    },
    `
    project blog-server
    blog-server . node javascript astro service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      start    node ./dist/server/entry.mjs [low] <- package.json: how astro starts with its adapter for Node
      port     4321 [low] <- package.json: the port of astro
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'nest',
    {
      ...lock,
      'package.json': {
        name: 'nested',
        scripts: { build: 'nest build', start: 'nest start', 'start:prod': 'node dist/main' },
        dependencies: { '@nestjs/core': '^10', express: '4' },
        devDependencies: { '@nestjs/cli': '10' },
      },
      'src/main.ts': 'await app.listen(3333);',
      'src/health/health.controller.ts': "@Controller('health')\nexport class HealthController {}",
      'tsconfig.json': '{}',
    },
    `
    project nested
    nested . node typescript nest service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    node dist/main [high] <- package.json: scripts.start:prod
      port     3333 [medium] <- src/main.ts: line 1 listens on 3333
      health   /health [medium] <- src/health/health.controller.ts: line 1 answers /health
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'angular',
    {
      ...lock,
      'package.json': {
        name: 'ng',
        scripts: { build: 'ng build', start: 'ng serve' },
        dependencies: { '@angular/core': '^18.0.0' },
      },
      'angular.json': {
        projects: {
          ng: {
            projectType: 'application',
            architect: {
              build: { builder: '@angular-devkit/build-angular:application', options: { outputPath: 'dist/ng' } },
            },
          },
        },
      },
    },
    `
    project ng
    ng . node javascript angular static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a dist/ng/browser/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'angular with a server',
    {
      ...lock,
      'package.json': {
        name: 'ng-ssr',
        scripts: { build: 'ng build' },
        dependencies: { '@angular/core': '^20.0.0', '@angular/ssr': '20', express: '4' },
      },
      'angular.json': { projects: { 'ng-ssr': { architect: { build: { builder: '@angular/build:application' } } } } },
    },
    `
    project ng-ssr
    ng-ssr . node javascript angular service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      start    node dist/ng-ssr/server/server.mjs [low] <- angular.json: how angular starts with its server
      port     4000 [low] <- package.json: the port of angular
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'vite, a page of one script',
    {
      ...lock,
      'package.json': {
        name: 'spa',
        scripts: { build: 'tsc && vite build', dev: 'vite', preview: 'vite preview' },
        dependencies: { react: '18' },
        devDependencies: { vite: '^7.0.0' },
      },
      'index.html': '',
    },
    `
    project spa
    spa . node javascript vite static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a dist/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'create-react-app',
    {
      ...lock,
      'package.json': {
        name: 'cra',
        scripts: { start: 'react-scripts start', build: 'react-scripts build' },
        dependencies: { 'react-scripts': '5' },
      },
      'public/index.html': '',
    },
    `
    project cra
    cra . node javascript create-react-app static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a build/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'vue-cli',
    {
      'yarn.lock': '',
      'package.json': {
        name: 'vue',
        scripts: { serve: 'vue-cli-service serve', build: 'vue-cli-service build' },
        devDependencies: { '@vue/cli-service': '5' },
      },
    },
    `
    project vue
    vue . node javascript vue-cli static [high]
      runtime  node 24.21.0
      manager  yarn
      install  yarn install --frozen-lockfile
      build    yarn run build
      collect  cp -a dist/. /out/
      health   / [low] <- package.json: a page has a start
      lock     yarn.lock (yarn)
  `,
  ),
  shape(
    'gatsby',
    { ...lock, 'package.json': { name: 'gats', scripts: { build: 'gatsby build' }, dependencies: { gatsby: '5' } } },
    `
    project gats
    gats . node javascript gatsby static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a public/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'docusaurus',
    {
      ...lock,
      'package.json': {
        name: 'handbook',
        scripts: { build: 'docusaurus build', start: 'docusaurus start' },
        dependencies: { '@docusaurus/core': '3' },
      },
    },
    `
    project handbook
    handbook . node javascript docusaurus static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a build/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'eleventy',
    {
      ...lock,
      'package.json': { name: 'eleven', scripts: { build: 'eleventy' }, devDependencies: { '@11ty/eleventy': '3' } },
    },
    `
    project eleven
    eleven . node javascript eleventy static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a _site/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'adonis',
    {
      ...lock,
      'package.json': {
        name: 'ado',
        scripts: { build: 'node ace build', start: 'node bin/server.js' },
        dependencies: { '@adonisjs/core': '6' },
      },
      '.env.example': 'PORT=3333\nHOST=localhost\n',
    },
    `
    project ado
    ado . node javascript adonis service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      start    node bin/server.js [high] <- package.json: scripts.start
      port     3333 [medium] <- .env.example: PORT is 3333
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'tanstack start',
    {
      ...lock,
      'package.json': {
        name: 'tan',
        scripts: { build: 'vite build', dev: 'vite dev' },
        dependencies: { '@tanstack/react-start': '1.130.0' },
        devDependencies: { vite: '6' },
      },
    },
    `
    project tan
    tan . node javascript tanstack-start service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    node .output/server/index.mjs [low] <- package.json: how tanstack-start starts
      port     3000 [low] <- package.json: the port of tanstack-start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'an express server that has a page of vite in the same folder',
    {
      ...lock,
      'package.json': {
        name: 'both',
        scripts: { build: 'vite build', start: 'node server.js' },
        dependencies: { express: '4' },
        devDependencies: { vite: '5' },
      },
      'index.html': '',
      'server.js': 'app.use(express.static("dist")); app.listen(8080)',
    },
    `
    project both
    both . node javascript express service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    node server.js [high] <- package.json: scripts.start
      port     8080 [medium] <- server.js: line 1 listens on 8080
      lock     package-lock.json (npm)
  `,
  ),
];
