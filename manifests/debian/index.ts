// The door of the Debian wing: exact packages by name, and what is in them.

export { type Archive, closureOf, makeArchive } from './closure.ts';
export { readDeb } from './deb.ts';
export { type Compression, decompress } from './decompress.ts';
export {
  type MemoryPackage,
  makeDeb,
  makeMemoryPackageSource,
  unavailablePackage,
  unknownPackage,
} from './memory-source.ts';
export { architectureOf, type LockedPackage, lockedPackageSchema, type PackageSource } from './package-source.ts';
export { maxReleaseBytes, type Release, type ReleaseFile, readRelease } from './release.ts';
export { type IndexedPackage, readIndex, relationsOf } from './stanza.ts';
export { type ReadEntry, readForeignTar, readTar } from './untar.ts';
export { compareDebian } from './version.ts';
