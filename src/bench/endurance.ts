import { fileURLToPath } from 'node:url';
import type { Runtime } from '../engine/backend/backend.js';
import { Bench } from './bench.js';
import { outputOf } from './child.js';
import { spreadOf } from './measure.js';
import { decoupled, type NetworkPlan, noise } from './networks.js';
import type { BenchOptions, Figure } from './parts.js';

/** So small that many steps take little time: what is left over of a step does not depend on sizes. */
const tiny: NetworkPlan = {
  name: 'tiny',
  shape: [12, 12, 1],
  batch: 16,
  layers: [
    { type: 'conv', filters: 8 },
    { type: 'max-pool' },
    { type: 'conv', filters: 8, operator: 'inner-product' },
    { type: 'conv', filters: 8 },
    { type: 'flatten' },
    { type: 'dense', units: 10 },
  ],
};

const samples = 100;
const warmUp = 100;

/** How the memory of a process that trains grows: MB of resident memory for each 1,000 steps, of a process for each runtime. */
export async function* endurance({ runtimes, steps, onMissing }: BenchOptions): AsyncGenerator<Figure> {
  const self = fileURLToPath(import.meta.url);
  const what = [`memory over ${steps.toLocaleString('en')} steps`];
  for (const { name, label: on } of runtimes)
    try {
      const args = [self, '--endure', '--steps', String(steps), '--backends', name];
      const output = await outputOf(['--expose-gc', ...args]);
      const resident = JSON.parse(output.trim().split('\n').at(-1)!) as number[];
      const growth = slopeOf(resident.slice(resident.length / 2)) * (samples / (steps / 1000));
      const figure = (part: string, value: number | undefined, unit: string): Figure => ({
        what: [...what, part],
        on,
        value: spreadOf([value!]),
        unit,
      });
      yield figure('resident at first', resident[0], 'MB');
      yield figure('resident at last', resident.at(-1), 'MB');
      yield figure('growth in their second half', growth, 'MB/1,000 steps');
    } catch (thrown) {
      onMissing([...what, on].join(' · '), thrown);
    }
}

/** Train in this process. @returns resident memory at the end of each hundredth of the steps, MB */
export async function residentWhileTraining(backend: Runtime['name'], steps: number): Promise<number[]> {
  const bench = new Bench(backend, tiny, decoupled('tanh', 'cosine'), noise(tiny.shape, 4 * tiny.batch));
  await bench.train(Math.min(warmUp, steps));
  const resident: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    await bench.train(Math.round(steps / samples));
    globalThis.gc?.(); // what is garbage only waits
    resident.push(process.memoryUsage.rss() / 1e6);
  }
  await bench.dispose();
  return resident;
}

/** Slope of the line of least squares through values, per value. */
export function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const covariance = values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0);
  const variance = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  return covariance / variance;
}
