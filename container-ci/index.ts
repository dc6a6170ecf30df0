// The door of the container CIs: the engine seam and its twin, observation, minds, and the steps of a run.
export type { CiView, ContainerIntent } from './companion.ts';
export { type Diagnosis, diagnose } from './diagnose.ts';
export type {
  ContainerMount,
  ContainerProcess,
  ContainerSecurity,
  ContainerSettings,
  ContainerSpec,
  ContainerState,
  ContainerSummary,
  ContainerUsage,
  Engine,
  EngineEvent,
  EngineInfo,
  EngineThing,
  ListeningSocket,
  LogLine,
} from './engine.ts';
export { EngineError, type EngineErrorCode, messageOf } from './error.ts';
export type { Evidence } from './evidence.ts';
export { expectedPorts } from './facts.ts';
export type { Finding, FindingCode } from './findings.ts';
export type { HealthStatus } from './health.ts';
export type { Intent } from './intent.ts';
export {
  asideName,
  type ContainerIdentity,
  engineName,
  identityOf,
  isAside,
  makeLabels,
  makeThingLabels,
  readLabels,
  specDigest,
  thingOwner,
} from './labels.ts';
export { type MemoryControls, type MemoryImage, makeMemoryEngine } from './memory-engine.ts';
export type { Answer } from './mind.ts';
export { type CiChange, type EngineState, type Observer, type ObserverParts, openObserver } from './observe.ts';
export { plain, redact } from './redact.ts';
export { carryOutStep, type RunStep, type SecretFile, type StepParts } from './run.ts';
export { settingsOfSpec } from './settings.ts';
