// What a signed release of an archive says: by whose key, of when, and which indexes with which hashes belong to it.
import { ManifestError } from '../error.ts';

/** A list of an archive by its path below `dists/SUITE/`. */
export interface ReleaseFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface Release {
  readonly suite: string;
  /** In milliseconds since 1970. */
  readonly date: number;
  readonly files: ReadonlyMap<string, ReleaseFile>;
  /** Whether indexes are also there by their hash, which no update of the mirror changes. */
  readonly isByHash: boolean;
}

/** Debian's own has 100 KB. */
export const maxReleaseBytes = 4 << 20;
/** What a clock may be off. */
const skewMs = 24 * 60 * 60_000;

/**
 * An `InRelease` whose signature one of the keys made. `notBefore` is the date of one that was seen before: an older one is refused,
 * so that nobody can hold back updates by giving what was right once. Throws `mirror-untrusted`.
 */
export async function readRelease(
  text: string,
  {
    keyring,
    now,
    notBefore,
    of,
  }: {
    /** Public keys, as gpg exports them in binary. */
    readonly keyring: Uint8Array;
    readonly now: number;
    readonly notBefore: number;
    /** For messages. */
    readonly of: string;
  },
): Promise<Release> {
  const refuse = (state: string, cause?: unknown): ManifestError =>
    new ManifestError('mirror-untrusted', `Cannot trust the archive ${of}: ${state}`, { cause });
  const signed = await verified(text, keyring, now).catch((cause: unknown) => {
    throw refuse('its release is not signed by a key of the keyring; name the right one by --keyring', cause);
  });
  const fields = fieldsOf(signed);
  const date = Date.parse(fields.get('Date') ?? '');
  if (Number.isNaN(date)) throw refuse('its release has no date');
  if (date > now + skewMs) throw refuse(`its release is of ${fields.get('Date')}; set this machine's clock`);
  const until = Date.parse(fields.get('Valid-Until') ?? '');
  if (until < now)
    throw refuse(`its release was good until ${fields.get('Valid-Until')}; ask a mirror that is kept up`);
  if (date < notBefore) throw refuse('its release is older than one that was seen before; ask another mirror');
  const files = new Map<string, ReleaseFile>();
  for (const line of (fields.get('SHA256') ?? '').split('\n')) {
    const [, sha256, size, path] = /^ ([0-9a-f]{64}) +(\d+) (\S+)$/.exec(line) ?? [];
    if (sha256 !== undefined && path !== undefined) files.set(path, { sha256, sizeBytes: Number(size) });
  }
  return { suite: fields.get('Suite') ?? '', date, files, isByHash: fields.get('Acquire-By-Hash') === 'yes' };
}

/** The text that a key of the keyring signed; what stands around it doesn't count. Loaded when it is needed: few commands do. */
async function verified(text: string, keyring: Uint8Array, now: number): Promise<string> {
  const { readCleartextMessage, readKeys, verify } = await import('openpgp');
  const [message, verificationKeys] = await Promise.all([
    readCleartextMessage({ cleartextMessage: text }),
    readKeys({ binaryKeys: keyring }),
  ]);
  const { data, signatures } = await verify({ message, verificationKeys, date: new Date(now) });
  await Promise.any(signatures.map((signature) => signature.verified));
  return data;
}

/** Fields of one paragraph; a field of several lines has them all. */
function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let name = '';
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith(' ')) fields.set(name, `${fields.get(name) ?? ''}\n${line}`);
    else {
      const colon = line.indexOf(':');
      name = line.slice(0, colon);
      fields.set(name, line.slice(colon + 1).trim());
    }
  }
  return fields;
}
