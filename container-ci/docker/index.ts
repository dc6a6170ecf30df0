// The door of the Docker wing: how an engine is opened, and how one is found.
export { openDockerEngine } from './engine.ts';
export { type EngineChoice, type EngineSocket, findEngine } from './find.ts';
export { parseListening } from './proc-net.ts';
