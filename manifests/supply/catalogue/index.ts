// The door of the catalogue: from layers, locks and sources to components.
export { type Catalogue, catalogueImage, type SourceLock } from './catalogue.ts';
export { type Component, type Ecosystem, mergeComponents, purlOf } from './component.ts';
export { readCopyright, readDpkgStatus } from './debian.ts';
export { readBuildInfo } from './go.ts';
export { expressionOf, licensesNamed } from './license.ts';
export { type Reader, readerOf } from './readers.ts';
export { type ScannedLayer, scanLayer, type Unread } from './scan.ts';
