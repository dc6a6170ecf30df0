// This room alone knows how a decoded value is held against the shape that the page gives it.
import type { Value } from './cbor.ts';
import { insist, Refusal } from './refusal.ts';

/** Turns a value into what it stands for, or refuses it. */
export type Shape<T> = (value: Value, where: string) => T;
/** What a shape gives. */
export type Of<S> = S extends Shape<infer T> ? T : never;

const absent = Symbol('may be left out');
/** A shape of a key that may be left out. */
export type Optional<T> = Shape<T> & { readonly [absent]: true };
type Fields = { readonly [key: string]: Shape<unknown> };
type Read<F extends Fields> = {
  readonly [K in keyof F as F[K] extends { readonly [absent]: true } ? never : K]: Of<F[K]>;
} & {
  readonly [K in keyof F as F[K] extends { readonly [absent]: true } ? K : never]?: Of<F[K]>;
};

/** A map with these keys and no others. */
export function map<F extends Fields>(fields: F): Shape<Read<F>> {
  return (value, where) => {
    insist(value instanceof Map, 'shape', `${where} is no map`);
    const result: Record<string, unknown> = {};
    for (const key of value.keys())
      insist(Object.hasOwn(fields, key), 'shape', `${where} has the unknown key "${key}"`);
    for (const [key, shape] of Object.entries(fields)) {
      if (value.has(key)) result[key] = shape(value.get(key) as Value, `${where}.${key}`);
      else insist(absent in shape, 'shape', `${where} lacks the key "${key}"`);
    }
    return result as Read<F>;
  };
}

/** A key that may be left out. */
export function optional<T>(shape: Shape<T>): Optional<T> {
  return Object.assign((value: Value, where: string) => shape(value, where), { [absent]: true as const });
}

/** `null`, or the shape. */
export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return (value, where) => (value === null ? null : shape(value, where));
}

/** An array of as many at most, and at least. */
export function list<T>(shape: Shape<T>, most: number, least = 0): Shape<T[]> {
  return (value, where) => {
    insist(Array.isArray(value), 'shape', `${where} is no array`);
    insist(value.length <= most && value.length >= least, 'shape', `${where} has ${value.length} places`);
    return value.map((inner, index) => shape(inner, `${where}[${index}]`));
  };
}

/** An array with exactly these places. */
export function tuple<const T extends readonly Shape<unknown>[]>(
  ...shapes: T
): Shape<{ -readonly [K in keyof T]: Of<T[K]> }> {
  return (value, where) => {
    insist(Array.isArray(value), 'shape', `${where} is no array`);
    insist(value.length === shapes.length, 'shape', `${where} has ${value.length} places`);
    return shapes.map((shape, index) => shape(value[index] as Value, `${where}[${index}]`)) as never;
  };
}

/** An integer within these bounds. */
export function integer(least = 0, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, where) => {
    insist(typeof value === 'number', 'shape', `${where} is no integer`);
    insist(value >= least && value <= most, 'shape', `${where} is ${value}`);
    return value;
  };
}

/** Bytes, of that size where one is given, else of at most so many. */
export function bytes(size: number | { readonly most: number }): Shape<Uint8Array> {
  return (value, where) => {
    insist(value instanceof Uint8Array, 'shape', `${where} is no bytes`);
    const fits = typeof size === 'number' ? value.length === size : value.length <= size.most;
    insist(fits, 'shape', `${where} has ${value.length} bytes`);
    return value;
  };
}

/** A text of at least and at most so many UTF-16 code units. */
export function text(least: number, most: number): Shape<string> {
  return (value, where) => {
    insist(typeof value === 'string', 'shape', `${where} is no text`);
    insist(value.length >= least && value.length <= most, 'shape', `${where} has ${value.length} characters`);
    return value;
  };
}

/** A text of that pattern. */
export function matching(pattern: RegExp, what: string): Shape<string> {
  return (value, where) => {
    insist(typeof value === 'string', 'shape', `${where} is no text`);
    insist(pattern.test(value), 'shape', `${where} is no ${what}`);
    return value;
  };
}

/** One of these texts, numbers or truths. */
export function literal<const T extends string | number | boolean>(...values: readonly T[]): Shape<T> {
  return (value, where) => {
    insist(values.includes(value as T), 'shape', `${where} is none of ${values.join(', ')}`);
    return value as T;
  };
}

/** `true` or `false`. */
export const truth: Shape<boolean> = literal(true, false);

/** The first of these shapes that takes the value. */
export function either<const T extends readonly Shape<unknown>[]>(...shapes: T): Shape<Of<T[number]>> {
  return (value, where) => {
    const faults: unknown[] = [];
    for (const shape of shapes) {
      try {
        return shape(value, where) as Of<T[number]>;
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault;
        faults.push(fault.message);
      }
    }
    throw new Refusal('shape', `${where} is none of ${shapes.length}: ${faults.join('; ')}`);
  };
}
