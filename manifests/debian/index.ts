// The door of the Debian wing: exact packages by name, and what is in them.

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
export { type ReadEntry, readForeignTar, readTar } from './untar.ts';
