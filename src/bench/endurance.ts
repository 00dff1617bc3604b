import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Runtime, startBackend } from '../engine/backend/backend.js';
import { Bench } from './bench.js';
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
export async function endurance({ runtimes, steps }: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  const self = fileURLToPath(import.meta.url);
  for (const { name } of runtimes) {
    const args = [self, '--endure', '--steps', String(steps), '--backends', name];
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', ...args]);
    const resident = JSON.parse(stdout.trim().split('\n').at(-1)!) as number[];
    const what = [`memory over ${steps.toLocaleString('en')} steps`];
    const growth = slopeOf(resident.slice(resident.length / 2)) * (samples / (steps / 1000));
    figures.push(
      { what: [...what, 'resident at first'], on: name, value: spreadOf(resident.slice(0, 1)), unit: 'MB' },
      { what: [...what, 'resident at last'], on: name, value: spreadOf(resident.slice(-1)), unit: 'MB' },
      {
        what: [...what, 'growth in their second half'],
        on: name,
        value: spreadOf([growth]),
        unit: 'MB/1,000 steps',
      },
    );
  }
  return figures;
}

/** Train in this process. @returns resident memory at the end of each hundredth of the steps, MB */
export async function residentWhileTraining(backend: Runtime['name'], steps: number): Promise<number[]> {
  await startBackend(backend);
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
