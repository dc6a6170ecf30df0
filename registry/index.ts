// The door of the registry: identity, signed records, who belongs to the mesh, and the seam to the network.

export type { Directory, DirectoryChange, Entry, Filter, HiddenRecord, ReadOptions } from '#registry/directory';
export { maxFilterLength, parseFilter } from '#registry/directory';
export type { Presence } from '#registry/liveness';
export { checkInvite } from '#registry/roster';
export { Broadcast } from './broadcast.ts';
export type { Clock } from './clock.ts';
export { pause, systemClock, within } from './clock.ts';
export type { DeedOptions, Member, MeshRoot, MeshRoots, Registry, RegistryOptions, Write } from './contract.ts';
export type { Database, FloorMigrations } from './database.ts';
export { openDatabase } from './database.ts';
export type { Identity } from './identity.ts';
export { isStackId, loadOrMakeIdentity, makeIdentity, publicKeyIn, stackIdOf, verifyBy } from './identity.ts';
export type { Kind, MemberRole } from './kind.ts';
export { defineKind, memberRoles, stackKind } from './kind.ts';
export type { Log } from './log.ts';
export { MemoryHub } from './memory-network.ts';
export type { Metrics } from './metrics.ts';
export { noMetrics } from './metrics.ts';
export { registryMigrations } from './migrations.ts';
export type {
  Access,
  Channel,
  ChannelListener,
  ChannelOptions,
  Exchange,
  Handler,
  Listener,
  Network,
  PeerEvent,
  PiecesHandler,
  ProtocolOptions,
  RequestOptions,
  StackId,
  Verdict,
} from './network.ts';
export { defaultChannelMessageBytes, maxChannelQueueBytes, mayOpen } from './network.ts';
export { openRegistry } from './open.ts';
export type { RegistryErrorCode } from './registry-error.ts';
export { RegistryError } from './registry-error.ts';
export type { MayStand } from './standing.ts';
export { Wakeup } from './wakeup.ts';
