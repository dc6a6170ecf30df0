// The door of the container CIs: the engine seam and its twin, and what is made of what they show.
export type {
  ContainerProcess,
  ContainerSpec,
  ContainerState,
  ContainerSummary,
  ContainerUsage,
  Engine,
  EngineEvent,
  EngineInfo,
  ListeningSocket,
  LogLine,
} from './engine.ts';
export { EngineError, type EngineErrorCode } from './error.ts';
export { type MemoryControls, type MemoryImage, makeMemoryEngine } from './memory-engine.ts';
