import type { BackendName } from '../protocol/engine.js';
import { Bench } from './bench.js';
import { interleave, ratioOf, type Spread, spreadOf } from './measure.js';
import { decoupled, type NamedOperator, type NetworkPlan, noise, plain } from './networks.js';
import type { Pytorch } from './pytorch.js';
import type { BenchRuntime } from './runtimes.js';

/** One figure of the bench. */
export interface Figure {
  /** What was measured, from the general to the particular: `training`, `CNN-9 32-64-128`, `tanh · cosine`. */
  readonly what: readonly string[];
  /** The runtime's label, or `PyTorch`; `this machine` for what has none. */
  readonly on: string;
  readonly value: Spread;
  /** `images/s`, `s`, `MB`, `MB/1,000 steps`, `dispatches`, or `×` for a ratio. */
  readonly unit: string;
}

export interface BenchOptions {
  /** Those that were asked for; left out: all. */
  readonly backends?: readonly BackendName[] | undefined;
  /** Each started. */
  readonly runtimes: readonly BenchRuntime[];
  readonly pytorch: Pytorch | undefined;
  readonly rounds: number;
  /** Of a training whose memory is watched. */
  readonly steps: number;
  /** Images of a split that is evaluated or inspected. */
  readonly images: number;
  readonly plans: readonly NetworkPlan[];
  readonly operators: readonly NamedOperator[];
  /** Gets what could not be measured, and why: in words, or as it was thrown. The rest is measured. */
  readonly onMissing: (what: string, why: unknown) => void;
}

const mostStepsOfRound = 5;

/** Training steps of a round: about as many images as an evaluation has, but a step at least, and few. */
export function stepsOfRound(images: number, batch: number): number {
  return Math.min(mostStepsOfRound, Math.max(1, Math.round(images / batch)));
}

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
export interface Contestant {
  /** The runtime's label. */
  readonly on: string;
  readonly operator: string;
  readonly training: () => Promise<number>;
  readonly inference: () => Promise<number>;
  readonly dispose: () => Promise<void>;
}

/**
 * Training and inference of each network with each operator on each runtime, and in PyTorch where it is there, all
 * interleaved: images a second, what an operator costs beside the first, and the speed beside PyTorch's.
 */
export async function* throughput(options: BenchOptions): AsyncGenerator<Figure> {
  const { rounds, plans } = options;
  for (const plan of plans) {
    const contestants = contestantsOf(plan, options);
    try {
      for (const activity of ['training', 'inference'] as const) {
        const speeds = await interleave(
          Object.fromEntries(contestants.map((one) => [keyOf(one.on, one.operator), one[activity]])),
          rounds,
          (name, thrown) => options.onMissing([activity, plan.name, name].join(' · '), thrown),
        );
        yield* comparisons(contestants, speeds, { activity, plan, base: options.operators[0]!.name });
      }
    } finally {
      for (const { dispose } of contestants) await dispose();
    }
  }
}

const keyOf = (on: string, operator: string): string => `${on}, ${operator}`;

/** Speeds, and each beside that of the first operator and beside PyTorch's, as far as they were measured. */
function* comparisons(
  contestants: readonly Contestant[],
  speeds: Readonly<Partial<Record<string, readonly number[]>>>,
  { activity, plan, base }: { readonly activity: string; readonly plan: NetworkPlan; readonly base: string },
): Generator<Figure> {
  for (const { on, operator } of contestants) {
    const own = speeds[keyOf(on, operator)];
    if (own === undefined) continue;
    const what = [activity, plan.name, operator];
    yield { what, on, value: spreadOf(own), unit: 'images/s' };
    // Time against time: how much longer a step or an image takes.
    const baseline = speeds[keyOf(on, base)];
    if (operator !== base && baseline !== undefined)
      yield { what: [...what, `time of ${base}`], on, value: ratioOf(baseline, own), unit: '×' };
    const peer = speeds[keyOf(pytorchName, operator)];
    if (peer !== undefined && on !== pytorchName)
      yield { what: [...what, 'speed of PyTorch'], on, value: ratioOf(own, peer), unit: '×' };
  }
}

const pytorchName = 'PyTorch';

function contestantsOf(
  plan: NetworkPlan,
  { runtimes, pytorch, images, operators }: BenchOptions,
): readonly Contestant[] {
  const data = noise(plan.shape, images);
  const steps = stepsOfRound(images, plan.batch);
  const ours = runtimes.flatMap(({ name, label }) =>
    operators.map((operator) => {
      const bench = new Bench(name, plan, operator, data);
      return {
        on: label,
        operator: operator.name,
        training: () => bench.train(steps),
        inference: () => bench.infer(),
        dispose: () => bench.dispose(),
      };
    }),
  );
  if (pytorch === undefined) return ours;
  const theirs = operators.filter(isInPytorch).map((operator) => ({
    on: pytorchName,
    operator: operator.name,
    training: () => pytorch.train(plan, operator, steps),
    inference: () => pytorch.infer(plan, operator, images),
    dispose: async () => {},
  }));
  return [...ours, ...theirs];
}

/** What pytorch.py has a formulation of. */
function isInPytorch({ operator }: NamedOperator): boolean {
  return (
    operator === 'inner-product' ||
    (operator.angular === 'cosine' && (operator.magnitude === 'tanh' || operator.magnitude === 'linear'))
  );
}

/**
 * Training by two threads beside one alone and, where it is there, PyTorch; and one thread's training beside its
 * inference: on wasm.
 */
export async function* workers(options: BenchOptions): AsyncGenerator<Figure> {
  const { runtimes, rounds, images, plans, operators, pytorch, onMissing } = options;
  if (!runtimes.some(({ name }) => name === 'wasm')) return; // the others share no batches
  for (const plan of plans)
    for (const operator of operators) {
      const data = noise(plan.shape, images);
      const steps = stepsOfRound(images, plan.batch);
      const one = new Bench('wasm', plan, operator, data);
      const two = new Bench('wasm', plan, operator, data, { threads: 2 });
      const what = ['training', plan.name, operator.name];
      try {
        const speeds = await interleave<string>(
          {
            'one thread': () => one.train(steps),
            'two threads': () => two.train(steps),
            inference: () => one.infer(),
            ...(pytorch !== undefined &&
              isInPytorch(operator) && {
                [pytorchName]: () => pytorch.train(plan, operator, steps),
              }),
          },
          rounds,
          (name, thrown) => onMissing([...what, name].join(' · '), thrown),
        );
        const {
          'one thread': alone,
          'two threads': shared,
          inference: infer,
          [pytorchName]: theirs,
        } = speeds;
        const figure = (part: string, value: Spread, unit: string): Figure => ({
          what: [...what, part],
          on: 'wasm',
          value,
          unit,
        });
        if (shared) yield figure('two threads', spreadOf(shared), 'images/s');
        if (shared && alone) yield figure('two threads: speed of one', ratioOf(shared, alone), '×');
        if (shared && theirs) yield figure('two threads: speed of PyTorch', ratioOf(shared, theirs), '×');
        if (alone && infer) yield figure('one thread: speed of inference', ratioOf(alone, infer), '×');
      } finally {
        await Promise.all([one.dispose(), two.dispose()]);
      }
    }
}

/** An inspection of every layer beside plain inference over the same images. */
export async function* inspection({
  runtimes,
  rounds,
  images,
  plans,
  operators,
  onMissing,
}: BenchOptions): AsyncGenerator<Figure> {
  for (const { name, label: on } of runtimes)
    for (const plan of plans)
      for (const operator of operators) {
        const bench = new Bench(name, plan, operator, noise(plan.shape, images));
        const what = ['inspection', plan.name, operator.name];
        try {
          const { infer, inspect } = await interleave(
            { infer: () => bench.infer(), inspect: () => bench.inspect() },
            rounds,
            (part, thrown) => onMissing([...what, `${on}, ${part}`].join(' · '), thrown),
          );
          if (inspect) yield { what, on, value: spreadOf(inspect), unit: 'images/s' };
          if (inspect && infer)
            yield { what: [...what, 'speed of inference'], on, value: ratioOf(inspect, infer), unit: '×' };
        } finally {
          await bench.dispose();
        }
      }
}
