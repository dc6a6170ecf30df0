// The door of distribution: images given to and taken from engines and registries.
export { answerDistribution } from './answer.ts';
export { type FetchedDocument, openRegistryClient, type RegistryClient } from './client.ts';
export { type Copied, pullImage, pushImage } from './copy.ts';
export {
  type Descriptor,
  maxManifestBytes,
  parseDocument,
  type RegistryDocument,
} from './documents.ts';
export type { Credentials, Http, HttpAnswer, HttpRequest, RegistryParts } from './http.ts';
export type {
  DistributionAction,
  DistributionAnswer,
  DistributionContext,
  DistributionRequest,
} from './protocol.ts';
export { formatReference, isLoopback, isRepository, parseReference, type Reference } from './reference.ts';
export { makeRegistryBases } from './registry-bases.ts';
export { openRepositories, type Repositories, type Repository } from './repositories.ts';
export { type Links, planRemovals, planSweep, type SweepPlan, type SweepQuestion } from './sweep.ts';
export { openUploads, type Uploads } from './uploads.ts';
