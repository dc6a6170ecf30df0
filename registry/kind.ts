// What a kind of record is: its name, its shape, its bound, and who may write it.
import { z } from 'zod';
import { RegistryError } from './registry-error.ts';
import { readValue, sha256, toBytes, toHex } from './wire.ts';

/**
 * The roles a stack can have in a mesh. A `builder` is a member whose results of build steps are taken by others; so are an
 * admin's, who could make any stack a builder.
 */
export const memberRoles = ['member', 'builder', 'admin', 'viewer'] as const;
export type MemberRole = (typeof memberRoles)[number];

/** A declared kind; `Schema` is the shape of its bodies. */
export interface Kind<Schema extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly schema: Schema;
  /** The largest body, in encoded bytes. */
  readonly maxBytes: number;
  /** `any-member`: whoever belongs, as far as `mayStand` lets its role. */
  readonly writer: 'any-member' | 'admin';
  /** Whether it stays in default resolution while its owner is unreachable; false where it says what is there now. */
  readonly outlastsOwner: boolean;
}

/** A record has at most 16 KiB: larger bodies are blobs. */
export const maxRecordBytes = 16 * 1024;
/** Names of kinds and records, in characters. */
export const maxNameLength = 200;
/** Values within values of a body: far more than a person reads, far less than a stack of calls holds. */
const maxDepth = 32;

/** Declares a kind; `maxBytes` is at most 16 KiB. */
export function defineKind<Schema extends z.ZodType>(kind: {
  readonly name: string;
  readonly schema: Schema;
  readonly maxBytes: number;
  readonly writer: Kind['writer'];
  readonly outlastsOwner?: boolean;
}): Kind<Schema> {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(kind.name) || kind.maxBytes > maxRecordBytes) {
    throw new RegistryError('unknown-kind', `Cannot define the kind "${kind.name}": its name or its bound is wrong`);
  }
  return { outlastsOwner: false, ...kind };
}

const label = z.string().max(200);

/** What a stack says about itself; one record, named as the stack is. */
export const stackKind = defineKind({
  name: 'stack',
  schema: z.object({
    name: label,
    site: z.object({ name: label, type: label }).optional(),
    region: label.optional(),
    labels: z.record(label, label).default({}),
    /** Where others can dial it, as multiaddrs. */
    addresses: z.array(z.string().max(300)).max(16).default([]),
    version: label.optional(),
    engine: z.object({ id: label, kind: label }).optional(),
    describes: z.string().max(1000).optional(),
    /** Takes no new work since then (milliseconds since 1970): a fact that planners read. */
    draining: z.object({ since: z.int().min(0), why: label.optional() }).optional(),
  }),
  maxBytes: 8 * 1024,
  writer: 'any-member',
  outlastsOwner: true,
});

/** An admin's stack took over what another one left; named by that one's id. */
export const adoptionKind = defineKind({
  name: 'adoption',
  schema: z.object({ records: z.literal('all'), count: z.int().min(0), at: z.int().min(0) }),
  maxBytes: 1024,
  writer: 'admin',
  outlastsOwner: true,
});

/** The record `<kind>/<name>` of the same owner goes to another member, as it was when it had that hash. */
export const handOffKind = defineKind({
  name: 'handoff',
  schema: z.object({ to: z.string().max(64), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
  maxBytes: 1024,
  writer: 'any-member',
  outlastsOwner: true,
});

/** The kinds that one registry knows, by name. */
export class Kinds {
  readonly #kinds: ReadonlyMap<string, Kind>;

  constructor(kinds: readonly Kind[]) {
    this.#kinds = new Map(
      [stackKind as Kind, adoptionKind as Kind, handOffKind as Kind, ...kinds].map((kind) => [kind.name, kind]),
    );
  }

  get(name: string): Kind | undefined {
    return this.#kinds.get(name);
  }

  /** Changes when a kind, its shape or its bounds change, so that stored records are judged again. */
  fingerprint(): string {
    const all = [...this.#kinds.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((kind) => [kind.name, kind.maxBytes, kind.writer, z.toJSONSchema(kind.schema, { unrepresentable: 'any' })]);
    return toHex(sha256(Buffer.from(JSON.stringify(all))));
  }

  /** The encoded body of a record that may be written; throws `unknown-kind`, `invalid-record` or `record-too-large`. */
  encode(kind: string, name: string, body: unknown): Uint8Array {
    const known = this.#kinds.get(kind);
    if (!known) throw new RegistryError('unknown-kind', `Cannot write "${kind}/${name}": no such kind is registered`);
    if (!isName(name)) {
      throw new RegistryError(
        'invalid-record',
        `Cannot write ${JSON.stringify(`${kind}/${name}`)}: a name has 1 to 200 characters, and none of control`,
      );
    }
    const parsed = known.schema.safeParse(body);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const place = `/${(issue?.path ?? []).map(String).join('/')}`;
      throw new RegistryError('invalid-record', `Cannot write "${kind}/${name}": ${issue?.message} at "${place}"`, {
        cause: parsed.error,
      });
    }
    const fault = oddityOf(parsed.data, maxDepth);
    if (fault) throw new RegistryError('invalid-record', `Cannot write "${kind}/${name}": ${fault}`);
    const bytes = toBytes(parsed.data);
    if (bytes.byteLength > known.maxBytes) {
      throw new RegistryError(
        'record-too-large',
        `Cannot write "${kind}/${name}": it has ${bytes.byteLength} bytes and may have ${known.maxBytes}; keep the rest as a blob`,
      );
    }
    return bytes;
  }

  /** The body in the shape of its kind, or why it can't be read as one. */
  read(kind: string, name: string, bytes: Uint8Array): { readonly body: unknown } | { readonly fault: string } {
    const known = this.#kinds.get(kind);
    if (!known) return { fault: `the kind ${JSON.stringify(kind)} is unknown here` };
    if (!isName(name)) return { fault: 'its name has characters of control' };
    if (bytes.byteLength > known.maxBytes) return { fault: `it has more than ${known.maxBytes} bytes` };
    return readBody(known, bytes);
  }
}

/** Whatever a schema makes of odd bytes, one record's fault is told and never thrown. */
function readBody({ name, schema }: Kind, bytes: Uint8Array): { readonly body: unknown } | { readonly fault: string } {
  try {
    const parsed = schema.safeParse(readValue(bytes));
    if (!parsed.success) return { fault: `it isn't a "${name}": ${parsed.error.issues[0]?.message}` };
    const fault = oddityOf(parsed.data, maxDepth);
    return fault === undefined ? { body: parsed.data } : { fault };
  } catch (error) {
    return { fault: `it can't be read as a "${name}": ${(error as Error).message.slice(0, 200)}` };
  }
}

/** Bodies are told as JSON: what that can't hold is a fault, at the owner and at every reader alike. */
function oddityOf(value: unknown, depth: number): string | undefined {
  if (typeof value === 'bigint') return 'it has a whole number that JSON cannot hold';
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  if (depth === 0) return `it is nested deeper than ${maxDepth}`;
  for (const each of Object.values(value)) {
    const fault = oddityOf(each, depth - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Names are shown on terminals and in logs: none that would write over a line, or turn it round. */
function isName(name: string): boolean {
  return name.length > 0 && name.length <= maxNameLength && !/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u.test(name);
}
