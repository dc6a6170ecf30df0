// The time that dates are judged by: that of the mesh, with a floor that outlasts this process.
import { MeshTime, type RosterStore } from '#registry/roster';
import type { Clock } from './clock.ts';

/** Mesh time over the machine's clock, and a clock that tells it. */
export function openMeshTime(clock: Clock, store: RosterStore): { readonly time: MeshTime; readonly judged: Clock } {
  const time = new MeshTime({
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    floor: Number(store.setting('time-floor') ?? 0),
    keep: (floor) => store.setSetting('time-floor', String(floor)),
  });
  const judged: Clock = {
    now: () => time.now(),
    monotonic: () => clock.monotonic(),
    after: (...at) => clock.after(...at),
  };
  return { time, judged };
}
