// The table of what the packages of Node give: how each is built, where its result lies, how it starts and on which port.

export interface NodeFramework {
  readonly name: string;
  /** Any of these packages makes it this. */
  readonly packages: readonly string[];
  /** `static`: the result is files; `server`: it is a program; `plain`: a library of a server that the project starts. */
  readonly kind: 'static' | 'server' | 'plain';
  /** Where a static result lies. */
  readonly output?: string;
  readonly start?: string;
  readonly port?: number;
  /** What stands in for scripts.build. */
  readonly build?: string;
  /** The oldest Node that a major version of the first package runs on: [major, version]. */
  readonly floors?: readonly (readonly [number, string])[];
}

/** The more special ones first: most of them are built on Vite. */
export const nodeFrameworks: readonly NodeFramework[] = [
  {
    name: 'next',
    packages: ['next'],
    kind: 'server',
    start: 'next start',
    port: 3000,
    build: 'next build',
    floors: [
      [16, '20.9.0'],
      [15, '18.18.0'],
    ],
  },
  {
    name: 'nuxt',
    packages: ['nuxt', 'nuxt3'],
    kind: 'server',
    start: 'node .output/server/index.mjs',
    port: 3000,
    build: 'nuxt build',
    floors: [[4, '20.9.0']],
  },
  {
    name: 'remix',
    packages: ['@remix-run/serve', '@remix-run/node', '@remix-run/react'],
    kind: 'server',
    start: 'remix-serve ./build/server/index.js',
    port: 3000,
    build: 'remix vite:build',
  },
  {
    name: 'react-router',
    packages: ['@react-router/serve', '@react-router/node'],
    kind: 'server',
    start: 'react-router-serve ./build/server/index.js',
    port: 3000,
    build: 'react-router build',
    floors: [[7, '20.0.0']],
  },
  {
    name: 'tanstack-start',
    packages: ['@tanstack/react-start', '@tanstack/solid-start'],
    kind: 'server',
    start: 'node .output/server/index.mjs',
    port: 3000,
    build: 'vite build',
    floors: [[1, '20.19.0']],
  },
  {
    name: 'solid-start',
    packages: ['@solidjs/start'],
    kind: 'server',
    start: 'node .output/server/index.mjs',
    port: 3000,
    build: 'vinxi build',
    floors: [[1, '20.0.0']],
  },
  {
    name: 'sveltekit',
    packages: ['@sveltejs/kit'],
    kind: 'server',
    start: 'node build',
    port: 3000,
    build: 'vite build',
  },
  {
    name: 'astro',
    packages: ['astro'],
    kind: 'static',
    output: 'dist',
    build: 'astro build',
    floors: [[5, '18.20.8']],
  },
  {
    name: 'nest',
    packages: ['@nestjs/core'],
    kind: 'server',
    start: 'node dist/main',
    port: 3000,
    build: 'nest build',
    floors: [[11, '20.0.0']],
  },
  {
    name: 'angular',
    packages: ['@angular/core'],
    kind: 'static',
    output: 'dist',
    build: 'ng build',
    floors: [
      [20, '20.19.0'],
      [17, '18.13.0'],
    ],
  },
  { name: 'gatsby', packages: ['gatsby'], kind: 'static', output: 'public', build: 'gatsby build' },
  { name: 'docusaurus', packages: ['@docusaurus/core'], kind: 'static', output: 'build', build: 'docusaurus build' },
  { name: 'vitepress', packages: ['vitepress'], kind: 'static', output: '.vitepress/dist', build: 'vitepress build' },
  {
    name: 'create-react-app',
    packages: ['react-scripts'],
    kind: 'static',
    output: 'build',
    build: 'react-scripts build',
  },
  { name: 'vue-cli', packages: ['@vue/cli-service'], kind: 'static', output: 'dist', build: 'vue-cli-service build' },
  { name: 'eleventy', packages: ['@11ty/eleventy'], kind: 'static', output: '_site', build: 'eleventy' },
  { name: 'express', packages: ['express'], kind: 'plain', port: 3000 },
  { name: 'fastify', packages: ['fastify'], kind: 'plain', port: 3000 },
  { name: 'koa', packages: ['koa'], kind: 'plain', port: 3000 },
  { name: 'hono', packages: ['@hono/node-server', 'hono'], kind: 'plain', port: 3000 },
  { name: 'hapi', packages: ['@hapi/hapi'], kind: 'plain', port: 3000 },
  { name: 'restify', packages: ['restify'], kind: 'plain', port: 8080 },
  {
    name: 'adonis',
    packages: ['@adonisjs/core'],
    kind: 'server',
    start: 'node build/bin/server.js',
    port: 3333,
    build: 'node ace build',
  },
  { name: 'elysia', packages: ['elysia'], kind: 'plain', port: 3000 },
  { name: 'apollo', packages: ['@apollo/server'], kind: 'plain', port: 4000 },
  {
    name: 'vite',
    packages: ['vite'],
    kind: 'static',
    output: 'dist',
    build: 'vite build',
    floors: [
      [7, '20.19.0'],
      [5, '18.0.0'],
    ],
  },
  { name: 'parcel', packages: ['parcel'], kind: 'static', output: 'dist', build: 'parcel build' },
];

/** Commands that serve while a person edits: never how a release starts. */
export const developmentCommand =
  /(?:^|[;&|]\s*|\s)(?:nodemon|ts-node-dev|tsx watch|vite(?!\s+(?:build|preview))|react-scripts start|ng serve|next dev|nuxt dev|nuxi dev|astro (?:dev|start)|astro$|nest start|vue-cli-service serve|webpack(?:-dev-server| serve)|remix (?:dev|vite:dev)|react-router dev|gatsby (?:develop|start)|parcel(?!\s+build)|docusaurus start|vinxi dev|eleventy --serve|expo start|electron|concurrently|turbo|nx|lerna|serve|http-server|live-server|vitepress dev)(?:\s|$)/;
