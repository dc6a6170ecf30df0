// The door of the schema: what a manifest may say, and the types of what it says.
export {
  type Application,
  type BuildStep,
  type LockfileKind,
  lockfileKinds,
} from './application.ts';
export type { Base } from './container.ts';
export { stages } from './lifecycle.ts';
export {
  type Manifest,
  type ManifestApplication,
  type ManifestContainer,
  manifestSchema,
} from './manifest.ts';
export type { Platform } from './primitives.ts';
