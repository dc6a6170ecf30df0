// Shapes of the frameworks of Node that serve.
import { type Shape, shape } from './shape.ts';

const lock = { 'package-lock.json': '{}' };
const built = { scripts: { build: 'vite build', dev: 'vite' } };

export const frameworkShapes: readonly Shape[] = [
  shape(
    'next',
    {
      ...lock,
      'package.json': {
        name: 'store',
        scripts: { dev: 'next dev', build: 'next build', start: 'next start -p 4000' },
        dependencies: { next: '15.0.3', react: '19' },
      },
      'app/page.tsx': '',
      'app/api/health/route.ts': 'export function GET() {}',
      'tsconfig.json': '{}',
    },
    `
    project store
    store . node typescript next service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      start    next start -p 4000 [high] <- package.json: scripts.start
      port     4000 [high] <- package.json: scripts.start
      health   /api/health [medium] <- app/api/health/route.ts: its place is its route
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'next with its standalone output',
    {
      ...lock,
      'package.json': {
        name: 'alone',
        scripts: { build: 'next build', start: 'next start' },
        dependencies: { next: '^16.0.0' },
      },
      'next.config.mjs': "export default { output: 'standalone' };",
    },
    `
    project alone
    alone . node javascript next service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      build    cp -R .next/static .next/standalone/.next/
      collect  cp -a . /out/
      start    node .next/standalone/server.js [high] <- next.config.mjs: its output is standalone
      port     3000 [low] <- package.json: the port of next
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'next that exports files',
    {
      ...lock,
      'package.json': { name: 'exported', scripts: { build: 'next build' }, dependencies: { next: '14' } },
      'next.config.js': "module.exports = { output: 'export' }",
    },
    `
    project exported
    exported . node javascript next static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a out/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'nuxt',
    {
      ...lock,
      'package.json': {
        name: 'nuxted',
        scripts: { build: 'nuxt build', dev: 'nuxt dev' },
        dependencies: { nuxt: '^3.13.0' },
      },
      'nuxt.config.ts': 'export default defineNuxtConfig({})',
    },
    `
    project nuxted
    nuxted . node javascript nuxt service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a .output/. /out/
      start    node server/index.mjs [low] <- package.json: how nuxt starts
      port     3000 [low] <- package.json: the port of nuxt
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'nuxt without a server',
    {
      ...lock,
      'package.json': { name: 'nuxt-spa', scripts: { build: 'nuxt generate' }, dependencies: { nuxt: '^4.0.0' } },
      'nuxt.config.ts': 'export default defineNuxtConfig({ ssr: false })',
    },
    `
    project nuxt-spa
    nuxt-spa . node javascript nuxt static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a .output/public/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'remix',
    {
      ...lock,
      'package.json': {
        name: 'remixed',
        engines: { node: '>=20.0.0' },
        scripts: { build: 'remix vite:build', dev: 'remix vite:dev', start: 'remix-serve ./build/server/index.js' },
        dependencies: { '@remix-run/serve': '2', '@remix-run/node': '2' },
        devDependencies: { vite: '5' },
      },
    },
    `
    project remixed
    remixed . node javascript remix service [high]
      version  >=20.0.0 <- package.json: engines.node says >=20.0.0
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    remix-serve ./build/server/index.js [high] <- package.json: scripts.start
      port     3000 [low] <- package.json: the port of remix
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'react-router as a framework',
    {
      ...lock,
      'package.json': {
        name: 'router',
        scripts: { build: 'react-router build', dev: 'react-router dev' },
        dependencies: { '@react-router/serve': '7', '@react-router/node': '7' },
      },
    },
    `
    project router
    router . node javascript react-router service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      start    react-router-serve ./build/server/index.js [low] <- package.json: how react-router starts
      port     3000 [low] <- package.json: the port of react-router
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'sveltekit with the adapter for Node',
    {
      ...lock,
      'package.json': {
        name: 'kit',
        ...built,
        devDependencies: { '@sveltejs/kit': '2', '@sveltejs/adapter-node': '5', vite: '5' },
      },
    },
    `
    project kit
    kit . node javascript sveltekit service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    node build [low] <- package.json: how sveltekit starts
      port     3000 [low] <- package.json: the port of sveltekit
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'sveltekit of files',
    {
      ...lock,
      'package.json': {
        name: 'kit-files',
        ...built,
        devDependencies: { '@sveltejs/kit': '2', '@sveltejs/adapter-static': '3', vite: '5' },
      },
    },
    `
    project kit-files
    kit-files . node javascript sveltekit static [high]
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
    'sveltekit without an adapter',
    {
      ...lock,
      'package.json': {
        name: 'kit-auto',
        ...built,
        devDependencies: { '@sveltejs/kit': '2', '@sveltejs/adapter-auto': '3', vite: '5' },
      },
    },
    `
    project kit-auto
    kit-auto . node javascript sveltekit service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    node build [low] <- package.json: how sveltekit starts
      port     3000 [low] <- package.json: the port of sveltekit
      lock     package-lock.json (npm)
    note package.json: SvelteKit has no adapter that makes a server; mend: npm install --save-dev @sveltejs/adapter-node, and name it in svelte.config.js
  `,
  ),
  shape(
    'astro of files',
    {
      ...lock,
      'package.json': {
        name: 'blog',
        scripts: { build: 'astro build', start: 'astro dev' },
        dependencies: { astro: '^5.0.0' },
      },
    },
    `
    project blog
    blog . node javascript astro static [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  cp -a dist/. /out/
      health   / [low] <- package.json: a page has a start
      lock     package-lock.json (npm)
  `,
  ),
];
