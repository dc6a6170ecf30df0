// The door of the daemon's HTTP.
export type { Http } from './listen.ts';
export { openHttp } from './listen.ts';
