// The door of the Docker wing: how an engine is opened, how one is found, and how one runs what must reach nothing.
export { openDockerEngine } from './engine.ts';
export { type EngineChoice, type EngineSocket, findEngine } from './find.ts';
export { parseListening } from './proc-net.ts';
export { openDockerSandbox, type Sandbox, type SandboxEnd, type SandboxSpec } from './sandbox.ts';
