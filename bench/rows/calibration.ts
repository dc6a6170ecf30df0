// The row of the simulator's calibration: how far its 16 stacks on one machine are from 16 real processes.
import { simulateConvergence } from '../../test/simulator/simulate.ts';
import { quantile, type Row } from '../row.ts';
import { measureStacks } from './convergence.ts';

/** As many as the row of convergence. */
const changes = 200;
const stacks = 16;

export const calibrationRow: Row = {
  name: 'calibration',
  claim: `half of ${changes} changes at ${stacks} stacks: the simulator's time and that of real processes, the longer over the shorter`,
  unit: 'ratio',
  figure: 'worst',
  limit: 1.3,
  async measure(_rounds, say) {
    const real = quantile(await measureStacks(say, changes), 0.5);
    const simulated = quantile(
      await simulateConvergence({ stacks, changes, seed: 'calibration', model: 'loopback' }),
      0.5,
    );
    say(`real processes: p50 ${real.toFixed(1)} ms; simulated: p50 ${simulated.toFixed(1)} ms`);
    return { samples: [Math.max(real / simulated, simulated / real)] };
  },
};
