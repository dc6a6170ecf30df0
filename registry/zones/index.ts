// The door of zones: how a large mesh falls apart into them, who speaks for each, and what is found elsewhere.

export type { Found, FoundRecord } from './find.ts';
export { defaultZoneOptions, type ZoneOptions } from './rounds.ts';
export { ZoneStore } from './store.ts';
export { isDue, mostFrequent, rootOverFeeds, type Summary, saySame, zoneKind } from './summary.ts';
export { gatewaysAZone, gatewaysOf, maxZoneMembers, maxZones, rank, zonesOf } from './zone.ts';
export { type ZoneSummary, Zones } from './zones.ts';
