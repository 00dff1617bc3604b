import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Runtime, startBackend } from '../engine/backend/backend.js';
import { Bench } from './bench.js';
import { spreadOf } from './measure.js';
import { type NamedOperator, type NetworkPlan, noise } from './networks.js';
import type { BenchOptions, Figure } from './parts.js';

const trainedSteps = 8;

/** The most memory that a process ever held which did nothing but train: one process for each network. */
export async function memory({ runtimes, plans, operators }: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  const self = fileURLToPath(import.meta.url);
  for (const plan of plans)
    for (const operator of operators)
      for (const { name } of runtimes) {
        const { stdout } = await promisify(execFile)(process.execPath, [
          self,
          ...['--peak-of', plan.name, operator.name, '--backends', name],
        ]);
        figures.push({
          what: ['peak memory of training', plan.name, operator.name],
          on: name,
          value: spreadOf([Number(stdout)]),
          unit: 'MB',
        });
      }
  return figures;
}

/** Train a little in this process. @returns the most resident memory it ever had, MB */
export async function peakMemory(
  backend: Runtime['name'],
  plan: NetworkPlan,
  operator: NamedOperator,
): Promise<number> {
  await startBackend(backend);
  const bench = new Bench(backend, plan, operator, noise(plan.shape, 2 * plan.batch));
  await bench.train(trainedSteps);
  return (process.resourceUsage().maxRSS * 1024) / 1e6; // kibibytes
}
