// How an operation looks as an MCP tool: its schemas, its annotations, and how an output, a fault or bad input becomes a result.
import { z } from 'zod';
import type { Hints, Operation } from './operation.ts';

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: ObjectSchema;
  readonly outputSchema: ObjectSchema;
  readonly annotations: {
    readonly title: string;
    readonly readOnlyHint: boolean;
    readonly destructiveHint: boolean;
    readonly idempotentHint: boolean;
    readonly openWorldHint: boolean;
  };
}

/** JSON Schema 2020-12 whose root is an object, as clients of the 2025 revisions need it. */
export interface ObjectSchema {
  readonly type: 'object';
  readonly [keyword: string]: unknown;
}

export interface ToolResult {
  readonly content: { readonly type: 'text'; readonly text: string }[];
  readonly structuredContent?: { readonly [key: string]: unknown };
  readonly isError?: true;
  readonly _meta?: { readonly [key: string]: unknown };
  /** Results of the protocol are open objects. */
  readonly [key: string]: unknown;
}

/** What is wrong with an input, and where: an RFC 6901 pointer into it ('' is the whole). */
export interface Problem {
  readonly pointer: string;
  readonly message: string;
}

/** A tool, made once, with what a call of it needs. */
export interface ServedTool<Context, Caller> {
  readonly operation: Operation<Context, Caller>;
  readonly tool: Tool;
  /** Whether an output is sent as `{ result: output }`, since its schema isn't that of an object. */
  readonly wrapped: boolean;
}

/** The key in a result's `_meta` under which a fault stands for programs: `{ code, mend?, problems? }`. */
export const faultKey = 'hermesh/fault';

/** Problems named in one answer: enough to mend an input at once, bounded since a caller may send thousands. */
const maxProblems = 20;

/** Makes the tool of an operation; throws where a schema has no JSON Schema, so that the daemon fails at its start. */
export function makeTool<Context, Caller>(operation: Operation<Context, Caller>): ServedTool<Context, Caller> {
  const { name, title, sentence, hints } = operation;
  const inputSchema = jsonSchemaOf(operation.input, 'input');
  if (!isObjectSchema(inputSchema)) throw new TypeError(`The input of operation "${name}" is not an object`);
  const plain = jsonSchemaOf(operation.output, 'output');
  const wrapped = !isObjectSchema(plain);
  const outputSchema = wrapped ? jsonSchemaOf(z.object({ result: operation.output }), 'output') : plain;
  if (!isObjectSchema(outputSchema)) throw new TypeError(`The output of operation "${name}" has no JSON Schema`);
  return {
    operation,
    tool: { name, title, description: sentence, inputSchema, outputSchema, annotations: annotationsOf(title, hints) },
    wrapped,
  };
}

/** The parsed input, or the problems with it. */
export function parseInput<Context, Caller>(
  operation: Operation<Context, Caller>,
  input: unknown,
): { readonly input: Record<string, unknown> } | { readonly problems: readonly Problem[] } {
  const parsed = operation.input.safeParse(input);
  if (parsed.success) return { input: parsed.data };
  return { problems: problemsOf(parsed.error) };
}

/** The first 20 issues of a failed parse, each with its JSON pointer; keys that nobody knows are named one by one. */
export function problemsOf(error: z.ZodError): readonly Problem[] {
  return error.issues
    .flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({ pointer: pointerOf([...issue.path, key]), message: 'nobody knows this key' }))
        : [{ pointer: pointerOf(issue.path), message: issue.message }],
    )
    .slice(0, maxProblems);
}

/** The output for programs and the same as a person reads it. */
export function resultOf<Context, Caller>(served: ServedTool<Context, Caller>, output: unknown): ToolResult {
  return {
    content: [{ type: 'text', text: served.operation.text(output as never) }],
    structuredContent: served.wrapped ? { result: output } : (output as { [key: string]: unknown }),
  };
}

/** An error result that names each problem by its pointer. */
export function invalidInputResult(name: string, problems: readonly Problem[]): ToolResult {
  const lines = problems.map(
    ({ pointer, message }) => `  ${pointer === '' ? '(the whole input)' : pointer}: ${message}`,
  );
  return {
    content: [{ type: 'text', text: `invalid-input: "${name}" cannot take this input:\n${lines.join('\n')}` }],
    isError: true,
    _meta: { [faultKey]: { code: 'invalid-input', problems } },
  };
}

/** An error result with the code, the message and, where it is known, how to mend it. */
export function faultResult(fault: { code: string; message: string; mend?: string }): ToolResult {
  const { code, message, mend } = fault;
  return {
    content: [{ type: 'text', text: mend ? `${code}: ${message}\n${mend}` : `${code}: ${message}` }],
    isError: true,
    _meta: { [faultKey]: mend ? { code, mend } : { code } },
  };
}

function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  return z.toJSONSchema(schema, { target: 'draft-2020-12', io }) as Record<string, unknown>;
}

function isObjectSchema(schema: Record<string, unknown>): schema is { type: 'object' } {
  return schema.type === 'object';
}

function annotationsOf(title: string, hints: Hints): Tool['annotations'] {
  return {
    title,
    readOnlyHint: hints.readOnly,
    destructiveHint: hints.destructive,
    idempotentHint: hints.idempotent,
    openWorldHint: hints.openWorld,
  };
}

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
