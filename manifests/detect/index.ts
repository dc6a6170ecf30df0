// The door of detection: from a project's folder to a plan, a manifest and a Dockerfile.
export { describePlan } from './describe.ts';
export { detectProject } from './detect.ts';
export { unifiedDiff } from './diff.ts';
export { type DockerFiles, isUnedited, writeDockerfile } from './dockerfile-of.ts';
export { manifestOf } from './manifest-of.ts';
export type { Confidence, Evidence, Found, Match, Note, Plan, PlannedApplication, Runtime } from './plan.ts';
export { makeProjectTree, type ProjectTree, readProjectTree } from './tree.ts';
