import { type Runtime, startBackend } from '../engine/backend/backend.js';
import { evaluationBatch } from '../engine/training/evaluate.js';
import { isOutOfMemory } from '../engine/training/outOfMemory.js';
import { Bench } from './bench.js';
import { interleave, ratioOf, type Spread, spreadOf } from './measure.js';
import { decoupled, type NamedOperator, type NetworkPlan, noise, plain } from './networks.js';
import type { Pytorch } from './pytorch.js';

/** One figure of the bench. */
export interface Figure {
  /** What was measured, from the general to the particular: `training`, `CNN-9 32-64-128`, `tanh · cosine`. */
  readonly what: readonly string[];
  /** The runtime's name, or `PyTorch`; `this machine` for what has none. */
  readonly on: string;
  readonly value: Spread;
  /** `images/s`, `s`, `MB`, `MB/1,000 steps`, or `×` for a ratio. */
  readonly unit: string;
}

export interface BenchOptions {
  /** At least one, each started. */
  readonly runtimes: readonly Runtime[];
  readonly pytorch: Pytorch | undefined;
  readonly rounds: number;
  /** Of a training whose memory is watched. */
  readonly steps: number;
  /** Images of a split that is evaluated or inspected. */
  readonly images: number;
  readonly plans: readonly NetworkPlan[];
  readonly operators: readonly NamedOperator[];
  /** Gets what could not be measured, and why, for people. */
  readonly onMissing: (text: string) => void;
}

const stepsARound = 5;

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

/** Something that trains and infers a network, to be timed. */
interface Contestant {
  /** The runtime's name. */
  readonly on: string;
  readonly operator: string;
  readonly training: () => Promise<number>;
  readonly inference: () => Promise<number>;
}

/**
 * Training and inference of each network with each operator on each runtime, and in PyTorch where it is there, all
 * interleaved: images a second, what an operator costs beside the first, and the speed beside PyTorch's.
 */
export async function throughput(options: BenchOptions): Promise<Figure[]> {
  const { rounds, plans, operators } = options;
  const figures: Figure[] = [];
  for (const plan of plans) {
    const { contestants, end } = await gather(plan, options);
    for (const activity of ['training', 'inference'] as const) {
      const key = (on: string, operator: string): string => `${on}, ${operator}`;
      const speeds = await interleave(
        Object.fromEntries(contestants.map((one) => [key(one.on, one.operator), one[activity]])),
        rounds,
        (name, thrown) => {
          if (!isOutOfMemory(thrown)) throw thrown;
          options.onMissing(`${activity} · ${plan.name} · ${name}: left out, it does not fit into memory`);
        },
      );
      const base = operators[0]!.name;
      for (const { on, operator } of contestants) {
        const own = speeds[key(on, operator)];
        if (own === undefined) continue;
        const what = [activity, plan.name, operator];
        figures.push({ what, on, value: spreadOf(own), unit: 'images/s' });
        // Time against time: how much longer a step or an image takes.
        const baseline = speeds[key(on, base)];
        if (operator !== base && baseline !== undefined) {
          const value = ratioOf(baseline, own);
          figures.push({ what: [...what, `time of ${base}`], on, value, unit: '×' });
        }
        const peer = speeds[key(pytorchName, operator)];
        if (peer !== undefined && on !== pytorchName)
          figures.push({ what: [...what, 'speed of PyTorch'], on, value: ratioOf(own, peer), unit: '×' });
      }
    }
    await end();
  }
  return figures;
}

/** Training by two workers beside one thread alone, and one thread's training beside its inference: on wasm. */
export async function workers({
  runtimes,
  rounds,
  images,
  plans,
  operators,
}: BenchOptions): Promise<Figure[]> {
  if (!runtimes.some(({ name }) => name === 'wasm')) return []; // the others share no batches
  await startBackend('wasm');
  const figures: Figure[] = [];
  for (const plan of plans)
    for (const operator of operators) {
      const data = noise(plan.shape, images);
      const alone = new Bench('wasm', plan, operator, data);
      const shared = new Bench('wasm', plan, operator, data, 2);
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
        on: 'wasm',
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

const pytorchName = 'PyTorch';

async function gather(
  plan: NetworkPlan,
  { runtimes, pytorch, images, operators }: BenchOptions,
): Promise<{ readonly contestants: readonly Contestant[]; readonly end: () => Promise<void> }> {
  const data = noise(plan.shape, images);
  const benches: Bench[] = [];
  const contestants: Contestant[] = [];
  for (const { name } of runtimes) {
    await startBackend(name);
    for (const operator of operators) {
      const bench = new Bench(name, plan, operator, data);
      benches.push(bench);
      contestants.push({
        on: name,
        operator: operator.name,
        training: () => bench.train(stepsARound),
        inference: () => bench.infer(),
      });
    }
  }
  for (const operator of pytorch === undefined ? [] : operators.filter(isInPytorch)) {
    const evaluations = Math.max(1, Math.round(images / evaluationBatch));
    contestants.push({
      on: pytorchName,
      operator: operator.name,
      training: () => pytorch!.measure(plan, operator, 'training', stepsARound),
      inference: () => pytorch!.measure(plan, operator, 'inference', evaluations),
    });
  }
  const end = async (): Promise<void> => {
    for (const bench of benches) await bench.dispose();
  };
  return { contestants, end };
}

/** What pytorch.py has a formulation of. */
function isInPytorch({ operator }: NamedOperator): boolean {
  return (
    operator === 'inner-product' ||
    (operator.angular === 'cosine' && (operator.magnitude === 'tanh' || operator.magnitude === 'linear'))
  );
}

/** An inspection of every layer beside plain inference over the same images. */
export async function inspection({
  runtimes,
  rounds,
  images,
  plans,
  operators,
}: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name: on } of runtimes)
    for (const plan of plans)
      for (const operator of operators) {
        await startBackend(on);
        const bench = new Bench(on, plan, operator, noise(plan.shape, images));
        const speeds = await interleave(
          { infer: () => bench.infer(), inspect: () => bench.inspect() },
          rounds,
        );
        await bench.dispose();
        const what = ['inspection', plan.name, operator.name];
        const ratio = ratioOf(speeds.inspect, speeds.infer);
        figures.push(
          { what, on, value: spreadOf(speeds.inspect), unit: 'images/s' },
          { what: [...what, 'speed of inference'], on, value: ratio, unit: '×' },
        );
      }
  return figures;
}
