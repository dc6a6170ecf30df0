// The door of the command line of hermesh.
export { main, makeProgram } from './program.ts';
