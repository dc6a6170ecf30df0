// Networks and volumes of the engine: made, listed and removed, each only by its name.
import type { Engine, EngineThing } from '../engine.ts';
import type { Caller } from './call.ts';

/** A volume may hold many files. */
const removeTimeoutMs = 120_000;

type Verb = 'createNetwork' | 'removeNetwork' | 'networks' | 'createVolume' | 'removeVolume' | 'volumes';

interface RawThing {
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

export function makeThings(call: Caller, until: (signal: AbortSignal) => AbortSignal): Pick<Engine, Verb> {
  return {
    async createNetwork(name, labels, { signal }) {
      const doing = `create network "${name}"`;
      const found = await call.json<RawThing[]>(doing, {
        path: '/networks',
        query: { filters: JSON.stringify({ name: [name] }) },
        signal: until(signal),
      });
      if (found.some((network) => network.Name === name)) return;
      await call.json(doing, {
        method: 'POST',
        path: '/networks/create',
        body: { Name: name, CheckDuplicate: true, Driver: 'bridge', Labels: labels },
        signal: until(signal),
      });
    },

    async removeNetwork(name, { signal }) {
      await call.json(`remove network "${name}"`, {
        method: 'DELETE',
        path: `/networks/${encodeURIComponent(name)}`,
        absent: undefined,
        signal: until(signal),
      });
    },

    async networks({ signal }) {
      const found = await call.json<RawThing[]>('list the networks', { path: '/networks', signal: until(signal) });
      return found.map(thingOf);
    },

    // Creating one of a name that is there gives the one that is there.
    async createVolume(name, labels, { signal }) {
      await call.json(`create volume "${name}"`, {
        method: 'POST',
        path: '/volumes/create',
        body: { Name: name, Driver: 'local', Labels: labels },
        signal: until(signal),
      });
    },

    async removeVolume(name, { signal }) {
      await call.json(`remove volume "${name}"`, {
        method: 'DELETE',
        path: `/volumes/${encodeURIComponent(name)}`,
        absent: undefined,
        timeoutMs: removeTimeoutMs,
        signal: until(signal),
      });
    },

    async volumes({ signal }) {
      const found = await call.json<{ Volumes?: RawThing[] | null }>('list the volumes', {
        path: '/volumes',
        signal: until(signal),
      });
      return (found.Volumes ?? []).map(thingOf);
    },
  };
}

function thingOf({ Name, Labels }: RawThing): EngineThing {
  return { name: Name, labels: Labels ?? {} };
}
