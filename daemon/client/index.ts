// The door of the client: how the commands and the faces talk to the daemon.
export type { CallOptions, Client, ClientOptions, Method, RawAnswer } from './client.ts';
export { openClient } from './client.ts';
export type { ClientCode, ExitCode } from './errors.ts';
export { ClientError } from './errors.ts';
