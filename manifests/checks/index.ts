// The door of the checks: what is wrong with a manifest whose shape is right.
export { semanticProblems } from './whole.ts';
