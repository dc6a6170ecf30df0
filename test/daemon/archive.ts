// A mirror of Debian on loopback: real .deb files, indexes and signed releases, which a test changes as an archive does.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createCleartextMessage, generateKey, type PrivateKey, readKey, readPrivateKey, sign } from 'openpgp';
import { type MemoryPackage, makeDeb } from '#manifests/debian';

export interface ArchivedPackage extends MemoryPackage {
  readonly relations?: Readonly<Record<string, string>>;
}

export interface SigningKey {
  readonly secret: PrivateKey;
  /** As gpg exports it in binary. */
  readonly publicKey: Uint8Array;
}

export async function makeSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: 'An Archive' }],
    date: new Date(Date.now() - 60_000),
  });
  const [secret, opened] = await Promise.all([
    readPrivateKey({ armoredKey: privateKey }),
    readKey({ armoredKey: publicKey }),
  ]);
  return { secret, publicKey: opened.write() };
}

export interface ReleaseOptions {
  readonly date?: Date;
  readonly validUntil?: Date;
  readonly by?: SigningKey;
  readonly isByHash?: boolean;
}

/** Suites of one component `main` for amd64, each put there by `publish`; what was published before is gone. */
export class TestArchive implements AsyncDisposable {
  readonly files = new Map<string, Uint8Array>();
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  readonly key: SigningKey;
  readonly #server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice('/debian/'.length));
    this.asked.push(path);
    const bytes = this.files.get(path);
    response.writeHead(bytes ? 200 : 404).end(bytes);
  });

  private constructor(key: SigningKey) {
    this.key = key;
  }

  static async open(): Promise<TestArchive> {
    const archive = new TestArchive(await makeSigningKey());
    await new Promise<void>((resolve) => archive.#server.listen(0, '127.0.0.1', resolve));
    return archive;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/debian`;
  }

  async publish(suite: string, packages: readonly ArchivedPackage[], options: ReleaseOptions = {}): Promise<void> {
    const { date = new Date(), validUntil, by = this.key, isByHash = true } = options;
    for (const path of this.files.keys())
      if (path.startsWith(`dists/${suite}/`) || path.startsWith('pool/')) this.files.delete(path);
    const stanzas: string[] = [];
    for (const one of packages) {
      const { name, version, architecture = 'all', depends = [], relations = {} } = one;
      const deb = await makeDeb(one);
      const place = `pool/main/${name[0]}/${name}/${name}_${version}_${architecture}.deb`;
      this.files.set(place, deb);
      const fields = {
        Package: name,
        Version: version,
        Architecture: architecture,
        ...(depends.length > 0 && { Depends: depends.join(', ') }),
        ...relations,
        Description: 'made for a test\n that has two lines',
        Filename: place,
        Size: deb.length,
        SHA256: createHash('sha256').update(deb).digest('hex'),
      };
      stanzas.push(
        Object.entries(fields)
          .map(([key, value]) => `${key}: ${value}`)
          .join('\n'),
      );
    }
    const index = gzipSync(`${stanzas.join('\n\n')}\n`);
    const sha256 = createHash('sha256').update(index).digest('hex');
    const folder = 'main/binary-amd64';
    this.files.set(`dists/${suite}/${folder}/${isByHash ? `by-hash/SHA256/${sha256}` : 'Packages.gz'}`, index);
    const text = [
      `Suite: ${suite}`,
      `Date: ${date.toUTCString()}`,
      ...(validUntil ? [`Valid-Until: ${validUntil.toUTCString()}`] : []),
      ...(isByHash ? ['Acquire-By-Hash: yes'] : []),
      'SHA256:',
      ` ${sha256} ${index.length} ${folder}/Packages.gz`,
    ].join('\n');
    const message = await createCleartextMessage({ text });
    const signed = await sign({ message, signingKeys: by.secret });
    this.files.set(`dists/${suite}/InRelease`, Buffer.from(signed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
