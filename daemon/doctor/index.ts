// The door of the doctor: what is looked at with a daemon and without one.
export { type Check, checkSchema, sayChecks, unknown } from './check.ts';
export { checkHost, checkToken } from './host.ts';
export { checkProbe, checkRunning } from './running.ts';
