// How the text of manifest.json becomes a Manifest, or a list of all that is wrong with it.
import { z } from 'zod';
import { ManifestError, type Problem, pointerOf, problemsError } from './error.ts';
import { parseLocatedJson } from './json.ts';
import { didYouMean } from './near.ts';
import { type Manifest, manifestSchema } from './schema.ts';
import { semanticProblems } from './semantics.ts';

/** Far above any manifest written by hand; a lock has 400 bytes a package, up to 2,000 packages a container. */
const maxBytes = { 'invalid-manifest': 1024 * 1024, 'invalid-lock': 32 * 1024 * 1024 } as const;

/** The parts of JSON Schema (draft 2020-12) that the schemas of this floor use. */
interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
}

/**
 * The manifest in a text of at most 1 MiB, with its defaults written out and without its `x-…` keys.
 * Throws `invalid-manifest` with every problem, each with JSON pointer, line and mend.
 */
export function parseManifest(text: string, where: { readonly file: string }): Manifest {
  return parseFile(text, where, 'invalid-manifest', manifestSchema, semanticProblems);
}

/** The JSON Schema of manifest.json as people write it: what has a default may be left out. */
export function manifestJsonSchema(): Record<string, unknown> {
  return inputSchemaOf(manifestSchema);
}

/** A file of ours: JSON with lines, `x-…` keys removed, the schema, then what only the whole tells. */
export function parseFile<Schema extends z.ZodType>(
  text: string,
  where: { readonly file: string },
  code: 'invalid-manifest' | 'invalid-lock',
  schema: Schema,
  check: (value: z.output<Schema>) => readonly Omit<Problem, 'line'>[],
): z.output<Schema> {
  const located = parseLocatedJson(text, { maxBytes: maxBytes[code] });
  if ('problem' in located) throw problemsError(code, where.file, [located.problem]);
  const shape = inputSchemaOf(schema) as JsonSchema;
  const value = withoutExtensions(located.value, shape);
  const parsed = schema.safeParse(value);
  const problems = parsed.success
    ? check(parsed.data)
    : parsed.error.issues.flatMap((issue) => problemsOf(issue, value, shape));
  if (problems.length > 0 || !parsed.success) {
    const withLines = problems.map((problem) => ({ ...problem, line: located.lineOf(pathOf(problem.pointer, value)) }));
    throw problemsError(
      code,
      where.file,
      withLines.sort((left, right) => left.line - right.line),
    );
  }
  return parsed.data;
}

/** The error for a problem that only shows later, such as a source that isn't there. */
export function laterProblem(
  code: ManifestError['code'],
  pointer: string,
  message: string,
  mend?: string,
): ManifestError {
  return new ManifestError(code, `Cannot use "${pointer}" of the manifest: ${message}${mend ? `; ${mend}` : ''}`, {
    problems: [{ pointer, line: undefined, message, mend }],
  });
}

function inputSchemaOf(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: 'input' });
}

/** `x-…` keys are the writer's own, except where the keys are names given by the writer anyway. */
function withoutExtensions(value: unknown, shape: JsonSchema | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutExtensions(item, shape?.items));
  if (!isObject(value)) return value;
  const properties = shape?.properties;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => properties === undefined || !key.startsWith('x-') || Object.hasOwn(properties, key))
      .map(([key, part]) => [key, withoutExtensions(part, below(shape, key))]),
  );
}

function below(shape: JsonSchema | undefined, key: PropertyKey): JsonSchema | undefined {
  if (typeof key === 'number') return shape?.items;
  const named = shape?.properties;
  if (named && Object.hasOwn(named, key)) return named[String(key)];
  return shape?.additionalProperties || undefined;
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown, shape: JsonSchema): Omit<Problem, 'line'>[] {
  const path = issue.path;
  const pointer = pointerOf(path);
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(path.reduce<JsonSchema | undefined>(below, shape)?.properties ?? {});
    return issue.keys.map((key) => ({
      pointer: pointerOf([...path, key]),
      message: `"${key}" is not known here`,
      mend: didYouMean(key, known) ?? `known: ${known.join(', ')}`,
    }));
  }
  const found = path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | undefined)?.[key], value);
  if (found === undefined && path.length > 0 && issue.code !== 'custom') {
    const expected = 'expected' in issue ? issue.expected : 'values' in issue ? issue.values.join(' or ') : 'value';
    return [{ pointer, message: `"${String(path.at(-1))}" is missing`, mend: `add it: ${String(expected)}` }];
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const mend = typeof found === 'string' ? didYouMean(found, values) : undefined;
    return [{ pointer, message: `${quote(found)} is not one of ${values.map(quote).join(', ')}`, mend }];
  }
  if (issue.code === 'invalid_key') {
    return [{ pointer, message: issue.issues.map((inner) => inner.message).join(', '), mend: undefined }];
  }
  if (issue.code === 'custom') return [{ pointer, message: `needs ${issue.message}`, mend: undefined }];
  return [{ pointer, message: `${quote(found)}: ${issue.message}`, mend: undefined }];
}

/** The keys and indices that a JSON pointer goes through in a value. */
function pathOf(pointer: string, value: unknown): PropertyKey[] {
  let at = value;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const found = Array.isArray(at) ? Number(key) : key;
      at = (at as Record<PropertyKey, unknown> | undefined)?.[found];
      return found;
    });
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
