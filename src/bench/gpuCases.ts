import * as tf from '@tensorflow/tfjs-core';
import { angularNames, magnitudeNames } from '../core/config/operatorSchema.js';
import { usesRadius } from '../core/operator/operator.js';
import { normals } from '../core/random.js';
import { batchNormalize, channelAffine } from '../engine/operator/batchNorm.js';
import { type DecoupledConv2dOptions, decoupledConv2d } from '../engine/operator/decoupledConv2d.js';
import { createOptimizer } from '../engine/training/optimizer.js';

/** What is compared, by kind; one or some of them can be asked for. */
export const referenceKinds = [
  'pairs',
  'weightings',
  'windows',
  'adaptive',
  'batch-norm',
  'adam',
  'dense',
  'large',
] as const;
export type ReferenceKind = (typeof referenceKinds)[number];

/** What a layer is given, by name: `x`, `w`, `radius`. */
export type Given = Readonly<Record<string, tf.Tensor>>;

/** A layer that two backends compute. */
export interface ReferenceCase {
  readonly kind: ReferenceKind;
  readonly what: string;
  /** The same values on each backend. */
  readonly inputs: () => Given;
  readonly layer: (given: Given) => tf.Tensor;
  /** Whether its gradients to all inputs are compared, too. */
  readonly hasGradients: boolean;
  /** Whether it is a decoupled convolution, which a GPU can compute with 16-bit floats. */
  readonly hasHalf: boolean;
}

type Size = readonly [batch: number, side: number, channels: number, filters: number];

/** Of more than one tile in each direction, none of them filled. */
const small: Size = [2, 9, 5, 20];
const medium: Size = [3, 12, 17, 35];
const dense: Size = [16, 1, 1024, 128];
/** Of the paper's CNN-9: a layer of its second block, and one of its first. */
const large: readonly Size[] = [
  [2, 16, 128, 128],
  [1, 32, 64, 64],
];

/** Values of a shape by a name: the same wherever they are made. */
export function randomTensor(shape: readonly number[], scale: number, name: string): tf.Tensor {
  return tf.tensor(normals(tf.util.sizeFromShape([...shape]), scale, 1, name), [...shape]);
}

interface DecoupledCase
  extends Pick<DecoupledConv2dOptions, 'magnitude' | 'angular' | 'exponent' | 'weighting'> {
  readonly kernel?: number;
  readonly stride?: number;
  readonly padding?: 'same' | 'valid';
  /** R = ρ·E‖x‖ as in training; left out: R is given. */
  readonly adaptive?: boolean;
  /** One R and k for all filters. */
  readonly shared?: boolean;
}

function decoupledCase(
  kind: ReferenceKind,
  [batch, side, channels, filters]: Size,
  { kernel = 3, stride = 1, padding = 'same', adaptive = false, shared = false, ...functions }: DecoupledCase,
): ReferenceCase {
  const { magnitude, angular, weighting } = functions;
  /** Norms are about the root of the patch's size, and so is R where it is fixed. */
  const norm = Math.sqrt(kernel * kernel * channels);
  const each = (low: number, high: number): tf.Tensor =>
    shared ? tf.tensor1d([(low + high) / 2]) : tf.linspace(low, high, filters);
  const words = [
    ...Object.values(functions),
    ...(adaptive
      ? [`adaptive R${kind === 'adaptive' && stride > 1 ? `, stride ${stride}, ${padding}` : ''}`]
      : []),
    ...(shared ? ['one R'] : []),
    ...(kind === 'windows' ? [`${kernel}×${kernel}, stride ${stride}, ${padding}`] : []),
  ];
  return {
    kind,
    what: `${words.join(' · ')}, ${batch}×${side}×${side}×${channels} to ${filters}`,
    inputs: () => ({
      x: randomTensor([batch, side, side, channels], 1, 'x'),
      w: randomTensor([kernel, kernel, channels, filters], 0.3, 'w'),
      ...(usesRadius(magnitude) && { radius: adaptive ? each(0.3, 2) : each(0.2 * norm, 2 * norm) }),
      ...(weighting === 'separate-tanh' && { rho: each(1, 4) }),
      ...(angular === 'sigmoid' && { k: each(0.3, 0.8) }),
    }),
    layer: ({ x, w, radius, rho, k }) =>
      decoupledConv2d(x as tf.Tensor4D, w as tf.Tensor4D, {
        ...{ ...functions, alpha: 1.3, beta: 0.5, stride, padding },
        radius:
          adaptive && radius !== undefined
            ? { rho: radius as tf.Tensor1D, onMean: () => {} }
            : (radius as tf.Tensor1D | undefined),
        rho: rho as tf.Tensor1D | undefined,
        k: k as tf.Tensor1D | undefined,
      }),
    hasGradients: true,
    hasHalf: true,
  };
}

function batchNormCases(): readonly ReferenceCase[] {
  const shape = [4, 9, 9, 21];
  const channels = shape.at(-1)!;
  const inputs = (): Given => ({
    x: randomTensor(shape, 2, 'x'),
    gamma: tf.linspace(0.5, 2, channels),
    beta: tf.linspace(-1, 1, channels),
  });
  return [true, false].flatMap((relu) => {
    const words = `${shape.join('×')}${relu ? ', with ReLU' : ''}`;
    const common = { kind: 'batch-norm', inputs, hasHalf: false } as const;
    return [
      {
        ...common,
        what: `batch normalisation in training, ${words}`,
        layer: ({ x, gamma, beta }: Given) =>
          batchNormalize(x!, gamma as tf.Tensor1D, beta as tf.Tensor1D, relu, () => {}),
        hasGradients: true,
      },
      {
        ...common,
        what: `batch normalisation at test time, ${words}`,
        layer: ({ x, gamma, beta }: Given) => channelAffine(x!, gamma!, beta!, relu),
        hasGradients: false,
      },
    ];
  });
}

/** Of three weights: more than some devices take in a kernel, one with more values than a workgroup, none that fills one. */
function adamCases(): readonly ReferenceCase[] {
  const shapes = { w: [3, 3, 17, 35], rho: [35], bias: [1] };
  const rates = [0.1, 0.05, 0.1];
  return (['corrected', 'raw'] as const).map((epsilonOn) => ({
    kind: 'adam',
    what: `${rates.length} steps of Adam, ε beside the ${epsilonOn} moment, ${Object.values(shapes)
      .map((shape) => shape.join('×'))
      .join(', ')}`,
    inputs: () =>
      Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => [name, randomTensor(shape, 0.3, name)]),
      ),
    layer: (given) => {
      const weights = Object.entries(given).map(([name, tensor]) => ({
        name,
        variable: tf.variable(tensor),
      }));
      const optimizer = createOptimizer(
        // So large an ε that where it is added is seen.
        { type: 'adam', learningRate: rates[0]!, beta1: 0.9, beta2: 0.999, epsilon: 0.01, epsilonOn },
        weights,
      );
      for (const [step, rate] of rates.entries())
        optimizer.apply(
          weights.map(({ name, variable }) => randomTensor(variable.shape, 1, `${name} at ${step}`)),
          rate,
        );
      const values = tf.concat(weights.map(({ variable }) => tf.reshape(variable, [-1])));
      optimizer.dispose();
      for (const { variable } of weights) variable.dispose();
      return values;
    },
    hasGradients: false,
    hasHalf: false,
  }));
}

const mixed: readonly DecoupledCase[] = [
  { magnitude: 'tanh', angular: 'cosine' },
  { magnitude: 'seg', angular: 'sigmoid' },
  { magnitude: 'ball', angular: 'square-cosine' },
];

const pairs: readonly DecoupledCase[] = magnitudeNames.flatMap((magnitude) =>
  angularNames.map((angular) => ({ magnitude, angular })),
);
/** Each function once, at least. */
const somePairs = magnitudeNames.map((magnitude, i) => ({
  magnitude,
  angular: angularNames[i % angularNames.length]!,
}));

const weightings: readonly DecoupledCase[] = [
  { magnitude: 'tanh', angular: 'cosine', weighting: 'joint-tanh' },
  { magnitude: 'tanh', angular: 'cosine', weighting: 'linear' },
  { magnitude: 'tanh', angular: 'cosine', weighting: 'separate-tanh' },
  { magnitude: 'log', angular: 'sigmoid', weighting: 'linear' },
  { magnitude: 'linear', angular: 'square-cosine', exponent: 2.5 },
];

const windows: readonly Pick<DecoupledCase, 'kernel' | 'stride' | 'padding'>[] = [
  { stride: 2, padding: 'valid' },
  { stride: 2, padding: 'same' },
  { stride: 1, padding: 'valid' },
  { kernel: 1, stride: 1, padding: 'same' },
  { kernel: 5, stride: 2, padding: 'same' },
];

const adaptives: readonly Pick<DecoupledCase, 'shared' | 'stride' | 'padding'>[] = [
  {},
  { shared: true },
  { stride: 2, padding: 'valid' },
];

function list(): readonly ReferenceCase[] {
  return [
    ...[small, medium].flatMap((size) => pairs.map((each) => decoupledCase('pairs', size, each))),
    ...weightings.map((each) => decoupledCase('weightings', medium, each)),
    ...mixed.flatMap((each) => [
      ...windows.map((window) => decoupledCase('windows', medium, { ...each, ...window })),
      ...adaptives.map((how) => decoupledCase('adaptive', medium, { ...each, ...how, adaptive: true })),
      decoupledCase('dense', dense, { ...each, kernel: 1, padding: 'valid', adaptive: true }),
    ]),
    ...batchNormCases(),
    ...adamCases(),
    ...large.flatMap((size) => [
      decoupledCase('large', size, { magnitude: 'tanh', angular: 'cosine' }),
      decoupledCase('large', size, { magnitude: 'linear', angular: 'cosine' }),
      decoupledCase('large', size, { magnitude: 'tanh', angular: 'sigmoid', adaptive: true }),
    ]),
  ];
}

/** On a simulated GPU compiling a kernel takes a second: a few of each kind. */
function quickList(): readonly ReferenceCase[] {
  const [usual] = mixed;
  return [
    ...somePairs.map((each) => decoupledCase('pairs', small, each)),
    decoupledCase('weightings', small, weightings[0]!),
    ...windows.slice(0, 2).map((window) => decoupledCase('windows', small, { ...mixed[1]!, ...window })),
    decoupledCase('adaptive', small, { ...mixed[1]!, adaptive: true }),
    decoupledCase('dense', dense, { ...usual!, kernel: 1, padding: 'valid', adaptive: true }),
    ...batchNormCases(),
    ...adamCases(),
    decoupledCase('large', large[0]!, usual!),
  ];
}

/** @param quick a few of each kind */
export function referenceCases(quick: boolean): readonly ReferenceCase[] {
  return quick ? quickList() : list();
}
