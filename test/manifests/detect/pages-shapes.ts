// Shapes of pages, Dockerfiles and Procfiles.
import { type Shape, shape } from './shape.ts';

const server = 'http.createServer(h).listen(3000)';
const lock = { 'package-lock.json': '{}' };

export const pageShapes: readonly Shape[] = [
  shape(
    'a page',
    { 'index.html': '<p>', 'style.css': '', 'about/index.html': '' },
    `
    project app
    app . static html static [medium]
      collect  cp -a ./. /out/
      health   / [high] <- index.html: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'a page in public',
    { 'public/index.html': '<p>', 'README.md': '' },
    `
    project app
    app . static html static [medium]
      collect  cp -a public/. /out/
      health   / [high] <- public/index.html: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'a Staticfile',
    { Staticfile: 'root: www\n', 'www/index.html': '' },
    `
    project app
    app . static html static [high]
      collect  cp -a www/. /out/
      health   / [high] <- Staticfile: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'hugo',
    { 'hugo.toml': 'title = "x"\n', 'content/a.md': '' },
    `
    project app
    app . static html hugo static [high]
      build    hugo --minify --destination /out
      tools    hugo
      health   / [low] <- hugo.toml: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'mkdocs',
    { 'mkdocs.yml': 'site_name: x\n', 'docs/index.md': '' },
    `
    project app
    app . static html mkdocs static [high]
      build    mkdocs build --site-dir /out
      tools    mkdocs
      health   / [low] <- mkdocs.yml: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'jekyll',
    { '_config.yml': 'title: x\n', '_posts/a.md': '' },
    `
    project app
    app . static html jekyll static [high]
      build    jekyll build --destination /out
      tools    jekyll
      health   / [low] <- _config.yml: a page has a start
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'a Dockerfile alone',
    {
      Dockerfile:
        'ARG VERSION=1.25\nFROM nginx:$VERSION\nRUN apt-get update\nCOPY . /usr/share/nginx/html\nUSER 101\nEXPOSE 8080\n',
      'a.txt': '',
    },
    `
    project app
    app . dockerfile service [medium]
      image    nginx:1.25
      collect  cp -a . /out/
      port     8080 [high] <- Dockerfile: EXPOSE 8080
      user     101
    note .: no file names the project: it is called "app"; mend: change project.name
    note Dockerfile: starts from "nginx:1.25": a tag can be moved; mend: name the image by its digest; until then the lock pins it
    note Dockerfile: what its RUN lines do is not carried over (1); mend: write them as build steps, which run without network, or as Debian packages
  `,
  ),
  shape(
    'a Dockerfile with a digest, stages and a command',
    {
      Dockerfile: `FROM alpine@sha256:${'a'.repeat(64)} AS base\nENV PORT=5000\nFROM base\nEXPOSE $PORT\nENTRYPOINT ["/bin/tool"]\nCMD ["serve", \\\n "--all"]\nHEALTHCHECK --interval=5s CMD wget -q http://127.0.0.1:5000/live\n`,
    },
    `
    project app
    app . dockerfile service [medium]
      image    alpine@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      collect  cp -a . /out/
      start    /bin/tool serve --all [high] <- Dockerfile: its command
      port     5000 [high] <- Dockerfile: EXPOSE 5000
      health   /live [high] <- Dockerfile: its HEALTHCHECK
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'a Dockerfile without FROM',
    { Dockerfile: 'RUN true\n' },
    `
    project app
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note Dockerfile: has no FROM: it decides nothing; mend: write one, or remove the file
  `,
  ),
  shape(
    'a Dockerfile inside an application',
    {
      'package.json': { name: 'in', scripts: { start: 'node i.js' } },
      ...lock,
      'i.js': server,
      'deploy/Dockerfile': 'FROM node:20\n',
    },
    `
    project in
    in . node javascript service [high]
      runtime  node 24.21.0
      manager  npm
      install  npm ci
      collect  cp -a . /out/
      start    node i.js [high] <- package.json: scripts.start
      port     3000 [medium] <- i.js: line 1 listens on 3000
      lock     package-lock.json (npm)
    overlay deploy dockerfile <- deploy/Dockerfile: lies inside another application: not used
  `,
  ),
  shape(
    'a Procfile alone',
    { Procfile: 'web: ./serve.sh --port 7000\nclock: ./tick.sh\n', 'serve.sh': '' },
    `
    project app
    app . procfile shell service [low]
      collect  cp -a . /out/
      beside   coreutils dash
      start    ./serve.sh --port 7000 [high] <- Procfile: its web line
      port     7000 [high] <- Procfile: its web line
      process  clock: ./tick.sh
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'nothing',
    { 'README.md': '# x' },
    `
    project app
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
];
