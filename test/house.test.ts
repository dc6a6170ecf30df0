// The rules of the house that a machine can check; each failure says the rule and its reason.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const root = path.dirname(import.meta.dirname);

/** Ground first. A folder imports only from folders before it. */
const floors = ['manifests', 'registry', 'governance', 'mcp', 'container-ci', 'cookbooks', 'daemon'] as const;
/** Faces know the daemon's HTTP alone, by the one client that the daemon hands out. */
const faces = ['aish', 'dashboard'] as const;
const doorOfFaces = '#daemon/client';
const maxLines = 400;
const maxReadmeLines = 60;

interface Room {
  readonly file: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const rooms = [...floors, ...faces].flatMap((folder) => readRooms(folder));
const roomsByFile = new Map(rooms.map((room) => [room.file, room]));
const doors = new Map(
  Object.entries(
    (
      JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
        imports: Record<string, { default: string }>;
      }
    ).imports,
  ).map(([name, target]) => [name, path.normalize(target.default)]),
);

test('a floor imports only from floors below it, and a face only the client of the daemon', () => {
  const broken = rooms.flatMap((room) =>
    doorsOf(room)
      .filter((door) => !mayImport(topOf(room.file), door))
      .map((door) => `${room.file} imports ${door}`),
  );
  assert.deepEqual(broken, [], 'calls go down: what a floor needs from above is a seam or an argument');
});

test('a room of another folder is reached only through its door', () => {
  const broken = rooms.flatMap((room) =>
    room.imports
      .filter((name) => name.startsWith('.'))
      .map((name) => path.normalize(path.join(path.dirname(room.file), name)))
      .filter((target) => wingOf(target) !== wingOf(room.file))
      .filter((target) => !isOwnWing(room.file, target))
      .map((target) => `${room.file} imports ${target}`),
  );
  assert.deepEqual(broken, [], 'import "#folder" instead, so that what a folder promises stands in one place');
});

test('each door exists, is named index.ts, and only hands names on', () => {
  for (const [name, file] of doors) {
    const room = roomsByFile.get(file);
    assert.ok(room, `${name} leads to ${file}, which is not there`);
    assert.equal(path.basename(file), 'index.ts', name);
    const other = room.text
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      .replace(/export\s+(type\s+)?(\*|\{[^}]*\})\s+from\s+'[^']+';/g, '')
      .trim();
    assert.equal(other, '', `${file} defines something: types stand below their users`);
  }
});

test('no rooms import one another in a circle, types counted', () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      circles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    for (const next of targetsOf(file)) walk(next, [...trail, file]);
    done.add(file);
  };
  for (const room of rooms) walk(room.file, []);
  assert.deepEqual(circles, []);
});

test(`no file has more than ${maxLines} lines`, () => {
  const long = [...rooms, ...['test', 'bench', 'examples'].flatMap((folder) => readRooms(folder))]
    .map((room) => ({ file: room.file, lines: room.text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > maxLines);
  assert.deepEqual(long, [], 'one deep idea a file');
});

test('the environment is read only by the configuration of the daemon and by the entries of the faces', () => {
  const allowed = ['daemon/config.ts', 'aish/main.ts'];
  const broken = rooms
    .filter(
      (room) => !allowed.includes(room.file) && /process\.env\b|from 'node:process'/.test(withoutComments(room.text)),
    )
    .map((room) => room.file);
  assert.deepEqual(broken, []);
});

test('libp2p and dockerode are each known to one wing', () => {
  const wings: readonly [RegExp, string][] = [
    [/^(libp2p|@libp2p\/.*|@chainsafe\/libp2p.*|@multiformats\/multiaddr)$/, 'daemon/libp2p/'],
    [/^(dockerode|docker-modem)$/, 'container-ci/docker/'],
    [/^@modelcontextprotocol\/.*$/, 'mcp/'],
    [/^fastify$|^@fastify\/.*$/, 'daemon/http/'],
  ];
  const broken = rooms.flatMap((room) =>
    room.imports.flatMap((name) =>
      wings
        .filter(([pattern, wing]) => pattern.test(name) && !room.file.startsWith(wing))
        .map(([, wing]) => `${room.file} imports ${name}, which only ${wing} knows`),
    ),
  );
  assert.deepEqual(broken, [], 'what is behind a seam can be replaced');
});

test('the SQL of a floor stands in its rooms named store.ts, one a wing', () => {
  const sql = /\.prepare(<[^(]*>)?\(|\bCREATE TABLE\b|\bINSERT INTO\b|\bSELECT [a-z_*]/;
  for (const floor of floors) {
    const holders = rooms.filter((room) => topOf(room.file) === floor && sql.test(withoutComments(room.text)));
    const files = holders
      .map((room) => room.file)
      .filter((file) => !['registry/database.ts', 'registry/migrations.ts'].includes(file));
    const strays = files.filter((file) => file !== `${wingOf(file)}/store.ts`);
    assert.deepEqual(strays, [], `${floor} has SQL outside its store`);
  }
});

test('each folder has a README of at most 60 lines', () => {
  const folders = new Set(rooms.map((room) => path.dirname(room.file)));
  for (const extra of ['test', 'bench', 'examples', 'docs', 'bin']) folders.add(extra);
  for (const folder of folders) {
    const file = path.join(root, folder, 'README.md');
    const lines = statSync(file, { throwIfNoEntry: false }) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
    assert.ok(lines > 0, `${folder} has no README.md: say what it promises, its rooms, its seams`);
    assert.ok(lines <= maxReadmeLines, `${folder}/README.md has ${lines} lines`);
  }
});

test('each room that a README names is there', () => {
  const readmes = [...floors, ...faces, 'bench', 'bin', 'docs', 'examples', 'test'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => path.basename(name) === 'README.md' && !name.includes('node_modules'))
      .map((name) => path.join(folder, name)),
  );
  const missing = [...readmes, 'README.md'].flatMap((file) => {
    const isThere = (name: string): boolean =>
      [path.dirname(file), '.'].some((from) =>
        ['', '.ts'].some((end) => statSync(path.join(root, from, name + end), { throwIfNoEntry: false })),
      );
    return roomsNamedIn(readFileSync(path.join(root, file), 'utf8'))
      .filter((name) => !isThere(name))
      .map((name) => `${file} names ${name}`);
  });
  assert.deepEqual(missing, [], 'who reads of a room looks for it');
});

test('only the commands end the process or write to its streams', () => {
  const allowed = /^(daemon\/cli\/|aish\/|daemon\/main\.ts)/;
  const broken = rooms
    .filter(
      (room) =>
        !allowed.test(room.file) && /process\.exit|console\.|process\.std(out|err)/.test(withoutComments(room.text)),
    )
    .map((room) => room.file);
  assert.deepEqual(broken, []);
});

function readRooms(folder: string): Room[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes('node_modules'))
    .map((name) => {
      const file = path.join(folder, name);
      const text = readFileSync(path.join(root, file), 'utf8');
      return { file, text, imports: importsOf(text) };
    });
}

/** What stands in backticks and is a source file, and all that does in the first column of a table of rooms or wings. */
function roomsNamedIn(readme: string): string[] {
  const files = [...readme.matchAll(/`([\w./-]+\.(?:ts|mjs))`/g)];
  const tables = [...readme.matchAll(/^\| *(?:room|wing) *\|.*\n\|[ :|-]+\n((?:\|.*\n)+)/gm)];
  const cells = tables.flatMap(([, rows = '']) => rows.split('\n').map((row) => row.split('|')[1] ?? ''));
  return [...files, ...cells.flatMap((cell) => [...cell.matchAll(/`([\w./-]+)`/g)])].map(([, name]) => name ?? '');
}

function importsOf(text: string): string[] {
  const pattern = /(?:from\s+|import\s*\(\s*|^import\s+)'([^']+)'/gm;
  return [...withoutComments(text).matchAll(pattern)].map((match) => match[1] ?? '');
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function doorsOf(room: Room): string[] {
  return room.imports.filter((name) => name.startsWith('#'));
}

function topOf(file: string): string {
  return file.replace(/^#/, '').split('/')[0] ?? '';
}

/** The folder with a door of its own that a file belongs to. */
function wingOf(file: string): string {
  const folder = path.dirname(file);
  return doors.has(`#${folder}`) ? folder : topOf(file);
}

/** A wing may use rooms of the folder it is part of, but not the other way round. */
function isOwnWing(from: string, target: string): boolean {
  return wingOf(from).startsWith(`${wingOf(target)}/`);
}

function mayImport(from: string, door: string): boolean {
  if ((faces as readonly string[]).includes(from)) return door === doorOfFaces;
  if (!doors.has(door)) return false;
  const own = floors.indexOf(from as (typeof floors)[number]);
  const other = floors.indexOf(topOf(door) as (typeof floors)[number]);
  return other < own || (other === own && door.includes('/'));
}

function targetsOf(file: string): string[] {
  const room = roomsByFile.get(file);
  if (!room) return [];
  return room.imports.flatMap((name) => {
    const target = name.startsWith('#')
      ? doors.get(name)
      : name.startsWith('.')
        ? path.normalize(path.join(path.dirname(file), name))
        : undefined;
    return target && roomsByFile.has(target) ? [target] : [];
  });
}
