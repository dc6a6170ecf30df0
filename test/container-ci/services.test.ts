// Services are named by weighed evidence; without evidence nothing is claimed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownServices } from '../../container-ci/known-services.ts';
import { nameServices, type Seen, shortImage } from '../../container-ci/services.ts';
import { startProcessorTime } from '../support/processor-time.ts';

const nothing: Seen = { processes: [], sockets: [], image: 'x:1', environmentNames: [], declaredPorts: [] };
const seen = (commandLines: readonly string[], ports: readonly number[] = [], more: Partial<Seen> = {}): Seen => ({
  ...nothing,
  processes: commandLines.map((commandLine, index) => ({
    pid: 100 + index,
    parentPid: 1,
    executable: (commandLine.split(' ', 1)[0] ?? '').replace(/^.*\//, '').slice(0, 15),
    commandLine,
  })),
  sockets: ports.map((port) => ({ protocol: 'tcp', address: '0.0.0.0', port })),
  ...more,
});

const cases: readonly [string, readonly string[], readonly number[], string][] = [
  ['nginx by its title', ['nginx: master process nginx -g daemon off;', 'nginx: worker process'], [80], 'nginx'],
  ['apache on Debian', ['/usr/sbin/apache2 -k start'], [80], 'apache'],
  ['apache elsewhere', ['httpd -DFOREGROUND'], [80], 'apache'],
  ["busybox's web server is no apache", ['httpd -f -p 8080 -h /www'], [8080], 'busybox-httpd'],
  ['haproxy', ['haproxy -W -db -f /etc/haproxy.cfg'], [80], 'haproxy'],
  ['caddy', ['caddy run --config /etc/caddy/Caddyfile'], [443, 2019], 'caddy'],
  ['postgres', ['postgres', 'postgres: checkpointer '], [5432], 'postgres'],
  ['mariadb', ['/usr/sbin/mariadbd --user=mysql'], [3306], 'mariadb'],
  ['mysql', ['mysqld'], [3306, 33060], 'mysql'],
  ['mongodb', ['mongod --bind_ip_all'], [27017], 'mongodb'],
  ['redis by its title, on another port', ['redis-server *:7000'], [7000], 'redis'],
  ['redis behind a shell', ['sh -c redis-server --save ""', '/usr/bin/redis-server 0.0.0.0:6379'], [6379], 'redis'],
  ['redis behind tini', ['/sbin/tini -- redis-server', 'redis-server'], [6379], 'redis'],
  ['memcached behind dumb-init', ['dumb-init memcached', 'memcached -m 64'], [11211], 'memcached'],
  ['rabbitmq', ['/usr/lib/erlang/bin/beam.smp -W w -- -noshell -s rabbit boot'], [5672, 25672], 'rabbitmq'],
  ['kafka', ['java -Xmx1G -cp /opt/kafka/libs/* kafka.Kafka config/server.properties'], [9092], 'kafka'],
  [
    'elasticsearch',
    ['/usr/share/elasticsearch/jdk/bin/java -Des.path org.elasticsearch.bootstrap'],
    [9200],
    'elasticsearch',
  ],
  ['minio', ['minio server /data'], [9000], 'minio'],
  ['node', ['node server.js'], [3000], 'node'],
  ['node behind npm', ['npm run start', 'sh -c node server.js', 'node server.js'], [3000], 'node'],
  ['uvicorn', ['/usr/local/bin/python3.12 /usr/local/bin/uvicorn app:app'], [8000], 'uvicorn'],
  ['gunicorn', ['gunicorn: master [app:app]'], [8000], 'gunicorn'],
  ['http.server', ['python3 -m http.server 8000'], [8000], 'python http.server'],
  ['python', ['python3 worker.py'], [], 'python'],
  ['php-fpm', ['php-fpm: master process (/usr/local/etc/php-fpm.conf)'], [9000], 'php-fpm'],
  ['java', ['java -jar app.jar'], [8080], 'java'],
  ['an unknown program that listens, by its own name', ['/app/orders --port 8080'], [8080], 'orders'],
];

for (const [title, commandLines, ports, name] of cases) {
  test(`a process names its service: ${title}`, () => {
    const [best] = nameServices(seen(commandLines, ports));
    assert.equal(best?.name, name);
    assert.ok(best.evidence.length > 0);
  });
}

test('nothing is claimed without evidence', () => {
  assert.deepEqual(nameServices(nothing), []);
  assert.deepEqual(nameServices(seen(['sh -c sleep 1000', 'sleep 1000'])), []);
  assert.deepEqual(nameServices(seen(['/app/worker'])), []);
});

test('independent evidence raises the confidence, which never becomes certain', () => {
  const alone = nameServices(seen([], [6379]))[0];
  assert.deepEqual([alone?.name, alone?.confidence], ['redis', 0.3]);
  const image = nameServices({ ...nothing, image: 'registry:5000/library/redis:7@sha256:00' })[0];
  assert.equal(image?.confidence, 0.7);
  const both = nameServices(seen([], [6379], { image: 'shop/redis', environmentNames: ['REDIS_VERSION'] }))[0];
  assert.equal(both?.confidence, 0.9);
  const all = nameServices(seen(['redis-server'], [6379], { image: 'redis', environmentNames: ['REDIS_VERSION'] }))[0];
  assert.equal(all?.confidence, 0.99);
  assert.deepEqual(all?.ports, [6379]);
});

test('a process that is seen outweighs a misleading image, and two services in one container are both named', () => {
  assert.deepEqual(
    nameServices(seen(['nginx: master process'], [80], { image: 'redis:7' })).map(({ name }) => name),
    ['nginx'],
  );
  const two = nameServices(seen(['supervisord -n', 'nginx: master process', 'php-fpm: master process'], [80, 9000]));
  assert.deepEqual(two.map(({ name }) => name).sort(), ['nginx', 'php-fpm']);
});

test('the table knows at least 25 services, each by one name', () => {
  const names = knownServices.map(({ name }) => name);
  assert.ok(names.length >= 25);
  assert.equal(new Set(names).size, names.length);
});

test('the short name of an image leaves registry, namespace, tag and digest away', () => {
  assert.equal(shortImage('127.0.0.1:5000/shop/redis@sha256:0123'), 'redis');
  assert.equal(shortImage('redis:7'), 'redis');
  assert.equal(shortImage('localhost:5000/a/b/redis'), 'redis');
});

test('five thousand processes are read in a moment', () => {
  const processes = Array.from({ length: 5000 }, (_, pid) => ({
    pid,
    parentPid: 1,
    executable: 'worker',
    commandLine: `worker-${pid} ${'argument '.repeat(400)}`,
  }));
  const spentMs = startProcessorTime();
  nameServices({ processes, sockets: [], image: 'x', environmentNames: [], declaredPorts: [] });
  assert.ok(spentMs() < 2000);
});
