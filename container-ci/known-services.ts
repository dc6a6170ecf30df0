// What well-known services look like from outside: executables, command lines, ports, environment names and image names.

export interface KnownService {
  readonly name: string;
  /** The short name of its executable, or the first word of its title. */
  readonly executable: RegExp;
  /** For what an interpreter runs: matched against the whole command line, and needed where given. */
  readonly commandLine?: RegExp;
  readonly ports: readonly number[];
  /** The family that its environment names belong to, such as `POSTGRES_`. */
  readonly environment?: RegExp;
  /** Short names of images; where undefined, the service's own name. */
  readonly images?: readonly string[];
}

const java = /^java$/;
const python = /^(python[\d.]*|gunicorn|uvicorn|celery|hypercorn)/;
const node = /^(node|nodejs|MainThread)$/;

/** The first that matches a process names it, so what is special stands before what is general. */
export const knownServices: readonly KnownService[] = [
  { name: 'nginx', executable: /^nginx/, ports: [], environment: /^NGINX_/ },
  { name: 'busybox-httpd', executable: /^(httpd|busybox)$/, commandLine: /httpd\b.* -[fh]\b/, ports: [], images: [] },
  { name: 'apache', executable: /^(apache2|httpd)$/, ports: [], environment: /^APACHE_/, images: ['httpd', 'apache'] },
  { name: 'haproxy', executable: /^haproxy/, ports: [], environment: /^HAPROXY_/ },
  { name: 'caddy', executable: /^caddy$/, ports: [2019], environment: /^CADDY_/ },
  { name: 'traefik', executable: /^traefik$/, ports: [], environment: /^TRAEFIK_/ },
  { name: 'envoy', executable: /^envoy$/, ports: [9901], environment: /^ENVOY_/ },
  {
    name: 'postgres',
    executable: /^(postgres|postmaster)$/,
    ports: [5432],
    environment: /^(POSTGRES_|PGDATA$)/,
    images: ['postgres', 'postgresql', 'postgis', 'timescaledb'],
  },
  { name: 'mariadb', executable: /^mariadbd$/, ports: [3306], environment: /^MARIADB_/ },
  { name: 'mysql', executable: /^mysqld$/, ports: [3306, 33060], environment: /^MYSQL_/ },
  {
    name: 'mongodb',
    executable: /^mongo[ds]$/,
    ports: [27017],
    environment: /^MONGO(DB)?_/,
    images: ['mongo', 'mongodb'],
  },
  { name: 'redis', executable: /^redis-(server|sentinel)$/, ports: [6379, 26379], environment: /^REDIS_/ },
  { name: 'valkey', executable: /^valkey-server$/, ports: [6379], environment: /^VALKEY_/ },
  { name: 'memcached', executable: /^memcached$/, ports: [11211], environment: /^MEMCACHED_/ },
  {
    name: 'rabbitmq',
    executable: /^(beam\.smp|erl|rabbitmq-server)$/,
    commandLine: /rabbit/,
    ports: [5672, 15672],
    environment: /^RABBITMQ_/,
  },
  { name: 'kafka', executable: java, commandLine: /\bkafka\.Kafka\b/, ports: [9092], environment: /^KAFKA_/ },
  {
    name: 'zookeeper',
    executable: java,
    commandLine: /zookeeper\.server/,
    ports: [2181],
    environment: /^(ZOO|ZOOKEEPER)_/,
  },
  {
    name: 'elasticsearch',
    executable: java,
    commandLine: /org\.elasticsearch|\belasticsearch\b/,
    ports: [9200, 9300],
    environment: /^(ES_|ELASTIC_)/,
  },
  {
    name: 'opensearch',
    executable: java,
    commandLine: /org\.opensearch/,
    ports: [9200],
    environment: /^OPENSEARCH_/,
  },
  {
    name: 'cassandra',
    executable: java,
    commandLine: /org\.apache\.cassandra/,
    ports: [9042],
    environment: /^CASSANDRA_/,
  },
  { name: 'nats', executable: /^nats-server$/, ports: [4222], environment: /^NATS_/ },
  { name: 'mosquitto', executable: /^mosquitto$/, ports: [1883], images: ['mosquitto', 'eclipse-mosquitto'] },
  { name: 'minio', executable: /^minio$/, ports: [9000], environment: /^MINIO_/ },
  { name: 'etcd', executable: /^etcd$/, ports: [2379, 2380], environment: /^ETCD_/ },
  { name: 'consul', executable: /^consul$/, ports: [8500], environment: /^CONSUL_/ },
  { name: 'vault', executable: /^vault$/, ports: [8200], environment: /^VAULT_/ },
  { name: 'prometheus', executable: /^prometheus$/, ports: [9090] },
  { name: 'grafana', executable: /^grafana(-server)?$/, ports: [], environment: /^GF_/ },
  { name: 'influxdb', executable: /^influxd$/, ports: [8086], environment: /^INFLUXDB_/ },
  { name: 'clickhouse', executable: /^clickhouse(-server)?$/, ports: [8123], environment: /^CLICKHOUSE_/ },
  {
    name: 'docker-registry',
    executable: /^(registry|docker-registry)$/,
    ports: [],
    environment: /^REGISTRY_/,
    images: ['registry'],
  },
  { name: 'sshd', executable: /^sshd/, ports: [22], images: ['openssh-server'] },
  { name: 'dnsmasq', executable: /^dnsmasq$/, ports: [53] },
  { name: 'php-fpm', executable: /^php-fpm/, ports: [9000], environment: /^PHP_/, images: ['php', 'php-fpm'] },
  { name: 'uvicorn', executable: python, commandLine: /\buvicorn\b/, ports: [], environment: /^UVICORN_/, images: [] },
  {
    name: 'gunicorn',
    executable: python,
    commandLine: /\bgunicorn\b/,
    ports: [],
    environment: /^GUNICORN_/,
    images: [],
  },
  { name: 'celery', executable: python, commandLine: /\bcelery\b/, ports: [], environment: /^CELERY_/, images: [] },
  { name: 'python http.server', executable: python, commandLine: /-m http\.server\b/, ports: [], images: [] },
  { name: 'python', executable: python, ports: [], environment: /^PYTHON[A-Z_]/ },
  { name: 'node', executable: node, ports: [], environment: /^(NODE_|NPM_CONFIG_)/ },
  { name: 'deno', executable: /^deno$/, ports: [], environment: /^DENO_/ },
  { name: 'bun', executable: /^bun$/, ports: [], images: ['bun'] },
  { name: 'ruby', executable: /^(ruby|puma|unicorn|rackup)/, ports: [], environment: /^(RAILS_|RUBY_|GEM_)/ },
  {
    name: 'dotnet',
    executable: /^dotnet$/,
    ports: [],
    environment: /^(DOTNET_|ASPNETCORE_)/,
    images: ['aspnet', 'dotnet'],
  },
  {
    name: 'tomcat',
    executable: java,
    commandLine: /org\.apache\.catalina/,
    ports: [],
    environment: /^(CATALINA_|TOMCAT_)/,
  },
  { name: 'java', executable: java, ports: [], environment: /^JAVA_/, images: ['openjdk', 'eclipse-temurin', 'java'] },
];

/** What only starts, reaps or restarts others: it is seen through. */
export const wrappers =
  /^(sh|bash|dash|ash|zsh|busybox|tini|dumb-init|docker-init|catatonit|s6-.*|runsv.*|supervisord|gosu|su-exec|su|sudo|env|nohup|timeout|npm.*|yarn|pnpm|sleep|tail|ps)$/;
