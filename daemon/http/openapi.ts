// The OpenAPI 3.1 document of the operations, made from the one list.
import { z } from 'zod';
import type { DaemonOperation } from '#daemon/operations';

const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        mend: { type: 'string', description: 'what the caller can do about it' },
        pointer: { type: 'string', description: 'JSON pointer to the place' },
      },
    },
  },
} as const;

/** Version is the product's; paths use OpenAPI's `{key}` for the `:key` of the list. */
export function makeOpenApi(operations: readonly DaemonOperation[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    const path = operation.http.path.replace(/:([a-zA-Z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [operation.http.method.toLowerCase()]: describe(operation) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Hermesh', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } }, schemas: { Error: errorSchema } },
    security: [{ token: [] }],
  };
}

function describe(operation: DaemonOperation): object {
  const schema = z.toJSONSchema(operation.input, { io: 'input', target: 'draft-2020-12' }) as {
    readonly properties?: Record<string, object>;
    readonly required?: readonly string[];
  };
  const inPath = [...operation.http.path.matchAll(/:([a-zA-Z]+)/g)].map((match) => match[1] ?? '');
  const rest = Object.keys(schema.properties ?? {}).filter((key) => !inPath.includes(key));
  const inQuery = operation.http.method === 'POST' ? [] : rest;
  const parameter = (place: string) => (key: string) => ({
    name: key,
    in: place,
    required: place === 'path' || (schema.required?.includes(key) ?? false),
    schema: schema.properties?.[key] ?? {},
  });
  return {
    operationId: operation.name,
    summary: operation.title,
    description: operation.sentence,
    parameters: [...inPath.map(parameter('path')), ...inQuery.map(parameter('query'))],
    ...(operation.http.method === 'POST' && rest.length > 0
      ? {
          requestBody: {
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: Object.fromEntries(rest.map((key) => [key, schema.properties?.[key] ?? {}])),
                  required: rest.filter((key) => schema.required?.includes(key)),
                  additionalProperties: false,
                },
              },
            },
          },
        }
      : {}),
    responses: {
      200: {
        description: 'done',
        content: {
          'application/json': { schema: z.toJSONSchema(operation.output, { io: 'output', target: 'draft-2020-12' }) },
        },
      },
      default: {
        description: 'refused or failed',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}
