// The door of mcp: what an operation is, and how the list of them is served.
export { loopbackNames, mayPassHostAndOrigin } from './edge.ts';
export type { Call, CommandForm, Hints, HttpForm, Operation, Progress } from './operation.ts';
export { defineOperation } from './operation.ts';
export type { McpServer, McpServerOptions } from './server.ts';
export { makeMcpServer } from './server.ts';
export type { BridgeOptions, Exchanged } from './stdio.ts';
export { bridgeStdio } from './stdio.ts';
export type { Problem } from './tools.ts';
export { parseInput, problemsOf } from './tools.ts';
