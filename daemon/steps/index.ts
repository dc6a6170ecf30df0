// The door of the daemon's steps: the engine as what runs them, registries as what they are made of.
export { type EngineRunnerParts, openEngineRunner, stepLabel } from './engine-runner.ts';
