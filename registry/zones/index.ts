// The door of zones: how a large mesh falls apart into them, who speaks for each, and what is found elsewhere.

export { isDue, mostFrequent, rootOverFeeds, type Summary, saySame, zoneKind } from './summary.ts';
export { gatewaysAZone, gatewaysOf, maxZoneMembers, maxZones, rank, zonesOf } from './zone.ts';
