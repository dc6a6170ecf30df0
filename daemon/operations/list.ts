// The one list of operations: HTTP, OpenAPI, MCP and both commands read it.
import { ask, listCis } from './ask.ts';
import type { DaemonOperation } from './declare.ts';
import { build, logs, prune, pull, run, stop } from './deploy.ts';
import { doctor } from './doctor.ts';
import { auditShow, auditVerify, events } from './history.ts';
import { forget, lineage, standards } from './lineage.ts';
import { stacks, status } from './look.ts';
import { invite, join, leave, revoke } from './mesh.ts';
import { get, list } from './records.ts';
import { exportRoot, rotateRoot } from './roots.ts';
import { adopt, drain, pardon } from './stacks.ts';
import { provenance, rebuild, sbom, verify } from './supply.ts';
import { vulnerabilitiesCheck, vulnerabilitiesImport } from './vulnerabilities.ts';
import { zones } from './zones.ts';

export const operations: readonly DaemonOperation[] = [
  status,
  stacks,
  zones,
  list,
  get,
  lineage,
  standards,
  forget,
  invite,
  join,
  leave,
  revoke,
  exportRoot,
  rotateRoot,
  pardon,
  adopt,
  drain,
  build,
  run,
  stop,
  prune,
  pull,
  verify,
  rebuild,
  sbom,
  provenance,
  vulnerabilitiesImport,
  vulnerabilitiesCheck,
  logs,
  listCis,
  ask,
  events,
  auditShow,
  auditVerify,
  doctor,
];
