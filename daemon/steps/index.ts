// The door of the daemon's steps: the engine as what runs them, registries as what they are made of.
export { type EngineRunnerParts, openEngineRunner, removeLeftSteps, stepLabel } from './engine-runner.ts';
export { openRegistries, type Registries } from './registries.ts';
export { makeStepRunning, type StepRunning } from './running.ts';
export { openSharedResults } from './shared-results.ts';
