// The bill of materials of an image as CycloneDX 1.6: the same components give the same bytes, with no serial number and no time.
import { ComponentScope, ComponentType, HashAlgorithm } from '@cyclonedx/cyclonedx-library/Enums';
import {
  Bom,
  Component as BomComponent,
  HashDictionary,
  LicenseExpression,
  LicenseRepository,
  Metadata,
  NamedLicense,
  Property,
  PropertyRepository,
  SpdxLicense,
} from '@cyclonedx/cyclonedx-library/Models';
import { JSON as Json, JsonSerializer } from '@cyclonedx/cyclonedx-library/Serialize';
import { fixupSpdxId } from '@cyclonedx/cyclonedx-library/SPDX';
import { Spec1dot6 } from '@cyclonedx/cyclonedx-library/Spec';
import type { Catalogue, Component } from '#manifests/supply/catalogue';
import { expressionOf, purlOf } from '#manifests/supply/catalogue';
import type { Digest } from '../digest.ts';

/** What the bill is of. */
export interface SbomSubject {
  /** `PROJECT/CONTAINER`. */
  readonly name: string;
  readonly digest: Digest;
}

/** A file that couldn't be read is told in the bill, up to this many. */
const maxUnreadTold = 100;

/** The JSON value of the bill, its lists sorted by the library; what depends on what isn't told beyond "the image has it". */
export function makeSbom(subject: SbomSubject, { components, unread }: Catalogue): object {
  const image = new BomComponent(ComponentType.Container, subject.name, {
    bomRef: subject.digest,
    version: subject.digest,
    purl: `pkg:oci/${subject.name.slice(subject.name.lastIndexOf('/') + 1).toLowerCase()}@${subject.digest.replace(':', '%3A')}`,
    hashes: new HashDictionary([[HashAlgorithm['SHA-256'], subject.digest.slice('sha256:'.length)]]),
    properties: new PropertyRepository(
      unread.slice(0, maxUnreadTold).map(({ path, why }) => new Property('hermesh:unread', `${path}: ${why}`)),
    ),
  });
  const bom = new Bom({ metadata: new Metadata({ component: image }) });
  for (const one of components) {
    const component = bomComponent(one);
    bom.components.add(component);
    image.dependencies.add(component.bomRef);
  }
  const serializer = new JsonSerializer(new Json.Normalize.Factory(Spec1dot6));
  return JSON.parse(serializer.serialize(bom, { sortLists: true })) as object;
}

function bomComponent(one: Component): BomComponent {
  const purl = purlOf(one);
  const hashes = Object.entries(one.hashes).map(([algorithm, value]): [HashAlgorithm, string] => [
    HashAlgorithm[algorithm as keyof typeof HashAlgorithm],
    value,
  ]);
  return new BomComponent(ComponentType.Library, one.name, {
    bomRef: purl,
    purl,
    version: one.version,
    ...(one.namespace !== undefined && one.ecosystem !== 'deb' && { group: one.namespace }),
    hashes: new HashDictionary(hashes),
    licenses: licensesOf(one.licenses),
    ...(one.source && {
      properties: new PropertyRepository([new Property('hermesh:source', `${one.source.name}@${one.source.version}`)]),
    }),
    ...(one.scope !== undefined && {
      scope: one.scope === 'excluded' ? ComponentScope.Excluded : ComponentScope.Optional,
    }),
  });
}

/** Either one expression of SPDX or a list of ids and names, since CycloneDX takes no mixture. */
function licensesOf(declared: readonly string[]): LicenseRepository {
  const read = declared.map((text) => ({ text, expression: expressionOf(text) }));
  const known = read.flatMap(({ expression }) => expression ?? []);
  const isOne = known.length === read.length && known.some((text) => text.includes(' '));
  if (isOne) {
    const all = known.map((text) => (known.length > 1 && text.includes(' ') ? `(${text})` : text)).join(' AND ');
    return new LicenseRepository([new LicenseExpression(all)]);
  }
  return new LicenseRepository(
    read.map(({ text, expression }) => {
      const id = expression === undefined ? undefined : fixupSpdxId(expression);
      return id === undefined ? new NamedLicense(expression ?? text.slice(0, 200)) : new SpdxLicense(id);
    }),
  );
}
