// Notes in Markdown: written and searched as JSON, read as pages.
import path from 'node:path';
import { Eta } from 'eta';
import fastify from 'fastify';
import { marked } from 'marked';
import sanitize from 'sanitize-html';
import { openStore } from './store.js';

const port = Number(process.env['PORT'] ?? 8080);
// Without a file, notes last as long as the process.
const store = openStore(process.env['NOTES_FILE'] ?? ':memory:');
const eta = new Eta({ views: path.join(import.meta.dirname, '../views'), cache: true });
const app = fastify({ logger: true });

const note = {
  type: 'object',
  required: ['title', 'text'],
  additionalProperties: false,
  properties: {
    title: { type: 'string', minLength: 1, maxLength: 200 },
    text: { type: 'string', maxLength: 100_000 },
  },
} as const;

app.get('/health', () => ({ ok: true, notes: store.count() }));

app.get<{ Querystring: { q?: string } }>('/api/notes', ({ query }) => ({ notes: store.list(query.q) }));

app.post<{ Body: { title: string; text: string } }>('/api/notes', { schema: { body: note } }, ({ body }, reply) =>
  reply.code(201).send(store.add(body)),
);

app.get<{ Querystring: { q?: string } }>('/', ({ query }, reply) =>
  reply.type('text/html').send(eta.render('list', { notes: store.list(query.q), words: query.q ?? '' })),
);

app.get<{ Params: { id: string } }>('/notes/:id', async ({ params }, reply) => {
  const found = store.find(Number(params.id));
  if (!found)
    return reply
      .code(404)
      .type('text/html')
      .send(eta.render('missing', { id: params.id }));
  // What people write is shown to others: only harmless tags are left of it.
  const html = sanitize(await marked.parse(found.text));
  return reply.type('text/html').send(eta.render('note', { ...found, html }));
});

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    void app.close().then(() => store.close());
  });
await app.listen({ host: '0.0.0.0', port });
