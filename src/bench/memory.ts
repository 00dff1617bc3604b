import { fileURLToPath } from 'node:url';
import type { Runtime } from '../engine/backend/backend.js';
import { Bench } from './bench.js';
import { outputOf } from './child.js';
import { spreadOf } from './measure.js';
import { type NamedOperator, type NetworkPlan, noise } from './networks.js';
import type { BenchOptions, Figure } from './parts.js';

const trainedSteps = 8;

/**
 * The most memory that a process ever held which did nothing but train: one process for each network.
 * @param program that takes `--peak-of` and prints what {@link peakMemory} gives
 */
export async function* memory(
  {
    runtimes,
    plans,
    operators,
    onMissing,
  }: Pick<BenchOptions, 'runtimes' | 'plans' | 'operators' | 'onMissing'>,
  program: string = fileURLToPath(import.meta.url),
): AsyncGenerator<Figure> {
  for (const plan of plans)
    for (const operator of operators)
      for (const { name, label: on } of runtimes) {
        const what = ['peak memory of training', plan.name, operator.name];
        try {
          const args = [
            '--peak-of',
            plan.name,
            operator.name,
            '--backends',
            name,
            '--batch',
            String(plan.batch),
          ];
          const value = spreadOf([Number(await outputOf([program, ...args]))]);
          yield { what, on, value, unit: 'MB' };
        } catch (thrown) {
          onMissing([...what, on].join(' · '), thrown);
        }
      }
}

/** Train a little in this process. @returns the most resident memory it ever had, MB */
export async function peakMemory(
  backend: Runtime['name'],
  plan: NetworkPlan,
  operator: NamedOperator,
): Promise<number> {
  const bench = new Bench(backend, plan, operator, noise(plan.shape, 2 * plan.batch));
  await bench.train(trainedSteps);
  return (process.resourceUsage().maxRSS * 1024) / 1e6; // kibibytes
}
