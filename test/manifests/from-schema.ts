// Values that a JSON Schema allows, at random, and the leaves that it knows by their paths.
import fc from 'fast-check';

/** The parts of JSON Schema (draft 2020-12) that zod writes for our schemas. */
export interface Shape {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly allOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Shape | false;
  readonly propertyNames?: Shape;
  readonly items?: Shape;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Anything that the schema allows, small. */
export function valuesOf(shape: Shape, isHalf = false): fc.Arbitrary<unknown> {
  const branches = shape.anyOf ?? shape.oneOf;
  if (branches) return fc.oneof(...branches.map((branch) => valuesOf(branch)));
  if (shape.const !== undefined) return fc.constant(shape.const);
  if (shape.enum) return fc.constantFrom(...shape.enum);
  if (shape.type === 'boolean') return fc.boolean();
  if (shape.type === 'integer') {
    const { minimum = 0, maximum = 1000 } = shape;
    return fc.integer({ min: Math.max(minimum, -1000), max: Math.min(maximum, Math.max(minimum, 0) + 1000) });
  }
  if (shape.type === 'array') {
    const { items = {}, minItems = 0, maxItems = 3 } = shape;
    return fc.array(valuesOf(items), { minLength: minItems, maxLength: Math.max(minItems, Math.min(maxItems, 3)) });
  }
  if (shape.type === 'object') {
    const { properties, required = [], additionalProperties } = shape;
    if (properties) {
      // What only a check of ours says: exactly one of these keys.
      const exclusive = [
        ['http', 'tcp'],
        ['name', 'tmpfs_mib', 'host_path'],
      ].find((keys) => keys.every((key) => key in properties));
      if (exclusive && !isHalf) {
        const without = (kept: string) =>
          Object.fromEntries(Object.entries(properties).filter(([key]) => key === kept || !exclusive.includes(key)));
        const half = (kept: string): Shape => ({ ...shape, properties: without(kept), required: [...required, kept] });
        return fc.oneof(...exclusive.map((kept) => valuesOf(half(kept), true)));
      }
      const parts = Object.fromEntries(Object.entries(properties).map(([key, part]) => [key, valuesOf(part)]));
      return fc.record(parts, { requiredKeys: [...required] });
    }
    const keys = shape.propertyNames
      ? valuesOf({ type: 'string', ...shape.propertyNames })
      : fc.string({ maxLength: 9 });
    return fc.dictionary(keys as fc.Arbitrary<string>, valuesOf(additionalProperties || {}), {
      // A manifest has at least one container.
      minKeys: additionalProperties ? (additionalProperties.properties?.['depends_on'] ? 1 : 0) : 0,
      maxKeys: 3,
    });
  }
  return stringsOf(shape);
}

function stringsOf(shape: Shape): fc.Arbitrary<string> {
  const patterns = [shape.pattern, ...(shape.allOf ?? []).map((one) => one.pattern)].filter((one) => one !== undefined);
  const first = patterns.find((one) => one.includes('(?!')) ?? patterns[0];
  if (first === undefined) return fc.string({ minLength: 1, maxLength: 9 });
  // Patterns that look ahead can't be turned round: those of paths.
  if (first.startsWith('^(?:\\/(?!')) return fc.constantFrom('/a', '/srv/app', '/usr/lib/b.c', '/...');
  if (first.startsWith('^(?!\\/)')) return fc.constantFrom('.', 'a', 'app/src', 'b.json', '...');
  return fc
    .stringMatching(new RegExp(first), { size: 'small' })
    .filter((text) => text.length <= Math.min(200, shape.maxLength ?? 200) && text.length >= (shape.minLength ?? 0));
}

/** Each leaf by its path: keys, `*` for a name that the writer gives, `[]` for an item; a list of plain values is one leaf. */
export function leavesOf(shape: Shape, path = ''): Map<string, Shape> {
  const leaves = new Map<string, Shape>();
  const add = (part: Shape, below: string): void => {
    for (const [name, leaf] of leavesOf(part, below)) leaves.set(name, leaf);
  };
  const branches = shape.anyOf ?? shape.oneOf;
  const { properties, additionalProperties, items } = shape;
  if (branches) for (const branch of branches) add(branch, path);
  else if (properties)
    for (const [key, part] of Object.entries(properties)) add(part, path === '' ? key : `${path}.${key}`);
  else if (additionalProperties) add(additionalProperties, `${path}.*`);
  else if (items?.type === 'object') add(items, `${path}[]`);
  else leaves.set(path, shape);
  return leaves;
}
