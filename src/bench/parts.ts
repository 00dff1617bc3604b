import type { Runtime } from '../engine/backend/backend.js';
import { Bench } from './bench.js';
import { interleave, ratioOf, type Spread, spreadOf } from './measure.js';
import { decoupled, type NamedOperator, type NetworkPlan, noise, plain } from './networks.js';

/** One figure of the bench. */
export interface Figure {
  /** What was measured, from the general to the particular: `training`, `CNN-9 32-64-128`, `tanh · cosine`. */
  readonly what: readonly string[];
  readonly value: Spread;
  /** `images/s`, `s`, `MB`, or `×` for a ratio. */
  readonly unit: string;
}

export interface BenchOptions {
  readonly runtime: Runtime;
  readonly rounds: number;
  /** Images of a split that is evaluated or inspected. */
  readonly images: number;
  readonly plans: readonly NetworkPlan[];
  readonly operators: readonly NamedOperator[];
}

const stepsARound = 3;

/** The operators whose cost is told beside the plain convolution's. */
export const someOperators: readonly NamedOperator[] = [
  plain,
  decoupled('linear', 'cosine'),
  decoupled('tanh', 'cosine'),
];
export const allOperators: readonly NamedOperator[] = [
  ...someOperators,
  ...(['sphere', 'ball', 'seg', 'log', 'mix'] as const).map((magnitude) => decoupled(magnitude, 'cosine')),
  ...(['linear', 'square-cosine', 'sigmoid'] as const).map((angular) => decoupled('tanh', angular)),
];

/** Training and inference of each network with each operator, interleaved; and what each costs beside the first. */
export async function throughput({ rounds, images, plans, operators }: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const plan of plans) {
    const data = noise(plan.shape, images);
    const benches = operators.map((operator) => [operator.name, new Bench(plan, operator, data)] as const);
    for (const [activity, measure] of [
      ['training', (bench: Bench) => bench.train(stepsARound)],
      ['inference', (bench: Bench) => bench.infer()],
    ] as const) {
      const tasks = Object.fromEntries(benches.map(([name, bench]) => [name, () => measure(bench)]));
      const speeds = await interleave(tasks, rounds);
      const base = operators[0]!.name;
      for (const { name } of operators) {
        figures.push({ what: [activity, plan.name, name], value: spreadOf(speeds[name]!), unit: 'images/s' });
        if (name === base) continue;
        // Time against time: how much longer a step or an image takes.
        const value = ratioOf(speeds[base]!, speeds[name]!);
        figures.push({ what: [activity, plan.name, `${name}: time of ${base}`], value, unit: '×' });
      }
    }
    for (const [, bench] of benches) await bench.dispose();
  }
  return figures;
}

/** Training by two workers beside one thread alone, and one thread's training beside its inference. */
export async function workers({
  runtime,
  rounds,
  images,
  plans,
  operators,
}: BenchOptions): Promise<Figure[]> {
  if (runtime.name !== 'wasm') return []; // the others share no batches
  const figures: Figure[] = [];
  for (const plan of plans)
    for (const operator of operators) {
      const data = noise(plan.shape, images);
      const alone = new Bench(plan, operator, data);
      const shared = new Bench(plan, operator, data, 2);
      const speeds = await interleave(
        {
          alone: () => alone.train(stepsARound),
          shared: () => shared.train(stepsARound),
          infer: () => alone.infer(),
        },
        rounds,
      );
      await Promise.all([alone.dispose(), shared.dispose()]);
      const figure = (what: string, value: Spread, unit: string): Figure => ({
        what: ['training', plan.name, operator.name, what],
        value,
        unit,
      });
      figures.push(
        figure('two workers', spreadOf(speeds.shared), 'images/s'),
        figure('two workers: speed of one', ratioOf(speeds.shared, speeds.alone), '×'),
        figure('one worker: speed of inference', ratioOf(speeds.alone, speeds.infer), '×'),
      );
    }
  return figures;
}

/** An inspection of every layer beside plain inference over the same images. */
export async function inspection({ rounds, images, plans, operators }: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const plan of plans)
    for (const operator of operators) {
      const bench = new Bench(plan, operator, noise(plan.shape, images));
      const speeds = await interleave({ infer: () => bench.infer(), inspect: () => bench.inspect() }, rounds);
      await bench.dispose();
      const what = ['inspection', plan.name, operator.name];
      figures.push(
        { what, value: spreadOf(speeds.inspect), unit: 'images/s' },
        { what: [...what, 'speed of inference'], value: ratioOf(speeds.inspect, speeds.infer), unit: '×' },
      );
    }
  return figures;
}
