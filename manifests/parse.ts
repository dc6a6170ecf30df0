// How the text of manifest.json becomes a Manifest, or a list of all that is wrong with it.
import { z } from 'zod';
import { semanticProblems } from '#manifests/checks';
import { type Manifest, manifestSchema } from '#manifests/schema';
import { ManifestError, type Problem, pointerOf, problemsError } from './error.ts';
import { parseLocatedJson } from './json.ts';
import { didYouMean } from './near.ts';

/** Far above any manifest written by hand; a lock has 400 bytes a package, up to 2,000 packages a container. */
const maxBytes = { 'invalid-manifest': 1024 * 1024, 'invalid-lock': 32 * 1024 * 1024 } as const;

/** The parts of JSON Schema (draft 2020-12) that the schemas of this floor use. */
interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/**
 * The manifest in a text of at most 1 MiB, with its defaults written out and without its `x-…` keys.
 * Throws `invalid-manifest` with every problem, each with JSON pointer, line and mend.
 */
export function parseManifest(text: string, where: { readonly file: string }): Manifest {
  return parseFile(text, where, 'invalid-manifest', manifestSchema, semanticProblems);
}

/** The JSON Schema of manifest.json as people write it: what has a default may be left out, and `x-…` keys are free. */
export function manifestJsonSchema(): Record<string, unknown> {
  return withFreeKeys(inputSchemaOf(manifestSchema)) as Record<string, unknown>;
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

/** Made once: it takes as long as twenty parsings. */
const inputSchemas = new WeakMap<z.ZodType, Record<string, unknown>>();

function inputSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const made = inputSchemas.get(schema) ?? z.toJSONSchema(schema, { io: 'input' });
  inputSchemas.set(schema, made);
  return made;
}

/** An object that takes no other keys takes `x-…` keys all the same. */
function withFreeKeys(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withFreeKeys);
  if (!isObject(schema)) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, withFreeKeys(part)]));
  return schema['additionalProperties'] === false && isObject(schema['properties'])
    ? { ...parts, patternProperties: { '^x-': {} } }
    : parts;
}

/** `x-…` keys are the writer's own, except where the keys are names given by the writer anyway. */
function withoutExtensions(value: unknown, whole: JsonSchema | undefined): unknown {
  const shape = branchOf(whole, value);
  if (Array.isArray(value)) return value.map((item) => withoutExtensions(item, shape?.items));
  if (!isObject(value)) return value;
  const properties = shape?.properties;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => properties === undefined || !key.startsWith('x-') || Object.hasOwn(properties, key))
      .map(([key, part]) => [key, withoutExtensions(part, below(shape, key))]),
  );
}

/** Of several shapes, the first that a value of this type and with these constants can have. */
function branchOf(shape: JsonSchema | undefined, value: unknown): JsonSchema | undefined {
  const branches = shape?.anyOf ?? shape?.oneOf;
  if (branches === undefined) return shape;
  const type = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  return branches.find(
    (branch) =>
      branch.type === type &&
      Object.entries(branch.properties ?? {}).every(
        ([key, part]) => part.const === undefined || part.const === (value as Record<string, unknown>)[key],
      ),
  );
}

function below(shape: JsonSchema | undefined, key: PropertyKey): JsonSchema | undefined {
  if (typeof key === 'number') return shape?.items;
  const named = shape?.properties;
  if (named && Object.hasOwn(named, key)) return named[String(key)];
  return shape?.additionalProperties || undefined;
}

/** The shape and the value at a path, as far as there are some. */
function at(path: readonly PropertyKey[], value: unknown, whole: JsonSchema) {
  let shape = branchOf(whole, value);
  let found = value;
  for (const key of path) {
    found = (found as Record<PropertyKey, unknown> | null | undefined)?.[key];
    shape = branchOf(below(shape, key), found);
  }
  return { shape, found };
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown, shape: JsonSchema): Omit<Problem, 'line'>[] {
  const path = issue.path;
  const pointer = pointerOf(path);
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(at(path, value, shape).shape?.properties ?? {});
    return issue.keys.map((key) => ({
      pointer: pointerOf([...path, key]),
      message: `"${key}" is not known here`,
      mend: didYouMean(key, known) ?? `known: ${known.join(', ')}`,
    }));
  }
  if (issue.code === 'invalid_union') {
    const kinds =
      issue.discriminator === undefined ? [] : constantsAt(path.slice(0, -1), issue.discriminator, value, shape);
    const near =
      typeof at(path, value, shape).found === 'string'
        ? didYouMean(String(at(path, value, shape).found), kinds)
        : undefined;
    if (kinds.length > 0)
      return [
        {
          pointer,
          message: `${quote(at(path, value, shape).found)} is not one of ${kinds.map(quote).join(', ')}`,
          mend: near,
        },
      ];
    return branchProblems(issue, value, shape);
  }
  const { found } = at(path, value, shape);
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

/** What is wrong with the branch of a union that the value's type means; where it means none, the types that are known. */
function branchProblems(
  issue: z.core.$ZodIssueInvalidUnion,
  value: unknown,
  shape: JsonSchema,
): Omit<Problem, 'line'>[] {
  const meant = issue.errors.find(
    (issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  );
  if (meant)
    return meant.flatMap((inner) => problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, value, shape));
  const types = issue.errors.flatMap((issues) =>
    issues.flatMap((one) => ('expected' in one ? [String(one.expected)] : [])),
  );
  const message = `${quote(at(issue.path, value, shape).found)}: expected ${types.join(' or ')}`;
  return [{ pointer: pointerOf(issue.path), message, mend: undefined }];
}

/** The words that tell the shapes of a union apart. */
function constantsAt(path: readonly PropertyKey[], key: string, value: unknown, whole: JsonSchema): string[] {
  const above = path.length === 0 ? whole : below(at(path.slice(0, -1), value, whole).shape, path.at(-1) ?? '');
  return (above?.anyOf ?? above?.oneOf ?? []).map((branch) => String(branch.properties?.[key]?.const));
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
