import fastify from 'fastify';
import semver from 'semver';

const app = fastify();
app.get('/health', () => ({ ok: semver.gt('1.2.3', '1.2.0') }));
await app.listen({ host: '0.0.0.0', port: 8080 });
