// Shapes of single projects of Node: ports, starts, and what lies over them.
import { type Shape, shape } from './shape.ts';

const express = { dependencies: { express: '^4.19.2' } };
const listens =
  "const app = require('express')();\napp.get('/health', (req, res) => res.send('ok'));\napp.listen(process.env.PORT || 3000);\n";

export const programShapes: readonly Shape[] = [
  shape(
    'a version that npm has no package of',
    {
      'package.json': { name: 'old', engines: { node: '8.x' }, scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      'index.js': 'http.createServer().listen(3000)',
    },
    `
    project old
    old . node javascript service [high]
      version  8.x <- package.json: engines.node says 8.x
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
    note package.json: wants Node 8.x, which npm has no package of; mend: name a version of Node from 12.22
  `,
  ),
  shape(
    'volta pins and ports in the start script',
    {
      'package.json': { name: 'volta', volta: { node: '20.11.1' }, scripts: { start: 'PORT=9000 node index.js' } },
      'package-lock.json': '{}',
      'index.js': '',
    },
    `
    project volta
    volta . node javascript service [high]
      version  20.11.1 <- package.json: volta.node says 20.11.1
      runtime  node 20.11.1
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    PORT=9000 node index.js [high] <- package.json: scripts.start
      port     9000 [high] <- package.json: scripts.start
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'a port that only the example of the environment names',
    {
      'package.json': { name: 'env', scripts: { start: 'node index.js' }, ...express },
      'package-lock.json': '{}',
      '.env.example': 'DATABASE_URL=\nPORT=4567\n',
      'index.js': 'app.listen(config.port)',
    },
    `
    project env
    env . node javascript express service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     4567 [medium] <- .env.example: PORT is 4567
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'a worker',
    {
      'package.json': { name: 'jobs', scripts: { start: 'node worker.js' }, dependencies: { bullmq: '5' } },
      'package-lock.json': '{}',
      'worker.js': 'new Worker("mail", run)',
    },
    `
    project jobs
    jobs . node javascript worker [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node worker.js [high] <- package.json: scripts.start
      lock     package-lock.json (npm)
    note package.json: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
  `,
  ),
  shape(
    'a library',
    {
      'package.json': { name: 'left-pad', main: 'index.js' },
      'index.js': 'module.exports = pad',
    },
    `
    project left-pad
    library . node <- package.json: has nothing that starts
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'a program that only development starts',
    {
      'package.json': { name: 'dev-only', scripts: { start: 'nodemon src/app.js' }, ...express },
      'package-lock.json': '{}',
      'src/app.js': listens,
    },
    `
    project dev-only
    dev-only . node javascript express service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node src/app.js [medium] <- src/app.js: listens
      port     3000 [medium] <- src/app.js: line 3 listens on 3000
      health   /health [medium] <- src/app.js: line 2 answers /health
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'a start that calls another script',
    {
      'package.json': {
        name: 'calls',
        scripts: { start: 'npm run serve:it', 'serve:it': 'node dist/index.js', build: 'tsc' },
        devDependencies: { typescript: '5' },
      },
      'package-lock.json': '{}',
      'tsconfig.json': '{}',
      'src/index.ts': 'createServer(h).listen(Number(process.env.PORT ?? 8088))',
    },
    `
    project calls
    calls . node typescript service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      build    npm run build
      collect  npm prune --omit=dev
      collect  cp -a . /out/
      start    node dist/index.js [high] <- package.json: scripts.serve:it
      port     8088 [medium] <- src/index.ts: line 1 listens on 8088
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'TypeScript that tsx runs',
    {
      'package.json': { name: 'tsx', scripts: { start: 'tsx src/index.ts' }, devDependencies: { tsx: '4' } },
      'package-lock.json': '{}',
      'tsconfig.json': '{}',
      'src/index.ts': 'createServer(h).listen(3000)',
    },
    `
    project tsx
    tsx . node typescript service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    tsx src/index.ts [high] <- package.json: scripts.start
      port     3000 [medium] <- src/index.ts: line 1 listens on 3000
      lock     package-lock.json (npm)
  `,
  ),
  shape(
    'it listens on the loopback address',
    {
      'package.json': { name: 'shy', scripts: { start: 'node index.js' } },
      'package-lock.json': '{}',
      'index.js': "http.createServer(h).listen(3000, '127.0.0.1')",
    },
    `
    project shy
    shy . node javascript service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     3000 [medium] <- index.js: line 1 listens on 3000
      lock     package-lock.json (npm)
    note index.js: line 1 listens on the loopback address: nothing outside the container reaches it; mend: listen on 0.0.0.0
  `,
  ),
  shape(
    'package.json that is no JSON',
    { 'package.json': '{ "name": "broken", ', 'index.js': '' },
    `
    project app
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note package.json: is not JSON: it decides nothing; mend: mend it: Expected double-quoted property name in JSON at position 20 (line 1 column 21)
  `,
  ),
  shape(
    'package.json that is a list',
    { 'package.json': '[]' },
    `
    project app
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note package.json: is no object in JSON: it decides nothing; mend: write one, or remove the file
  `,
  ),
  shape(
    'a Dockerfile beside it says port, user and health',
    {
      'package.json': { name: 'docked', scripts: { start: 'node index.js' }, ...express },
      'package-lock.json': '{}',
      'index.js': listens,
      Dockerfile:
        'FROM node:20 AS build\nRUN npm ci\nFROM node:20-slim\nUSER 1001\nEXPOSE 8443/tcp\nHEALTHCHECK CMD curl -f http://localhost:8443/ready || exit 1\nCMD ["node", "index.js"]\n',
    },
    `
    project docked
    docked . node javascript express service [high]
      version  20 <- Dockerfile: its image says 20
      runtime  node 20.20.2
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- package.json: scripts.start
      port     8443 [high] <- Dockerfile: EXPOSE 8443
      health   /ready [high] <- Dockerfile: its HEALTHCHECK
      user     1001
      lock     package-lock.json (npm)
    overlay . dockerfile <- Dockerfile: is there
  `,
  ),
  shape(
    'a Procfile beside it has a web and a worker',
    {
      'package.json': { name: 'procs', scripts: { start: 'node index.js' }, ...express },
      'package-lock.json': '{}',
      'index.js': listens,
      Procfile: 'web: node index.js\nworker: node worker.js\nrelease: node migrate.js\n',
    },
    `
    project procs
    procs . node javascript express service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node index.js [high] <- Procfile: its web line
      port     3000 [medium] <- index.js: line 3 listens on 3000
      health   /health [medium] <- index.js: line 2 answers /health
      process  worker: node worker.js
      lock     package-lock.json (npm)
    overlay . procfile <- Procfile: is there
    note Procfile: the release line "node migrate.js" is not part of the plan; mend: run it before a deploy, as a container of its own that ends
  `,
  ),
];
