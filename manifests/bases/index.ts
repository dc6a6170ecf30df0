// The door of the bases: what images are built on, and how its layers come into the store.
export { openArchive } from './archive.ts';
export {
  type BaseSource,
  baseReference,
  type LayerCompression,
  type OpenedImage,
  type OpenedTree,
  type WantedBase,
} from './base-source.ts';
export { type BaseConfig, compressionOf, invalidBase, manifestFor, parseBaseConfig } from './image-json.ts';
export { openLayout } from './layout.ts';
export { type MemoryImage, makeMemoryBaseSource } from './memory-source.ts';
