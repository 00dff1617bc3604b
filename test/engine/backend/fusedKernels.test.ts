import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { angularNames, magnitudeNames } from '../../../src/core/config/operatorSchema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import {
  affineConvolution,
  type ChannelAffine,
  canFinishConvolution,
} from '../../../src/engine/operator/affineConvolution.js';
import {
  batchNormalize,
  channelAffine,
  normalizeWith,
  testAffine,
} from '../../../src/engine/operator/batchNorm.js';
import { batchRadius } from '../../../src/engine/operator/batchRadius.js';
import { decoupledConv2d } from '../../../src/engine/operator/decoupledConv2d.js';
import { decoupledProduct } from '../../../src/engine/operator/decoupledProduct.js';
import { normalizeFilters } from '../../../src/engine/operator/filterNorms.js';
import { type FusedKernel, hasFused } from '../../../src/engine/operator/fusedKernels.js';
import {
  batchNormalizeProduct,
  canNormalizeProduct,
  normalizeProductWith,
} from '../../../src/engine/operator/normalizedProduct.js';
import { normEpsilon, patchNorms } from '../../../src/engine/operator/patchNorms.js';
import { projectionAndNorms } from '../../../src/engine/operator/projection.js';
import { describeOn, testBackend } from '../backends.js';
import { expectClose, randomValues, sizeOf, tensorOf } from '../tensors.js';

/** An input: its values and shape. */
type Given = readonly [values: Float64Array, shape: readonly number[]];
type Operation = (...inputs: tf.Tensor[]) => tf.Tensor;

/** The value and the gradient to each input, as a backend computes them. */
async function results(
  backend: 'cpu' | typeof testBackend,
  operation: Operation,
  given: readonly Given[],
): Promise<Float64Array[]> {
  await startBackend(backend);
  const found: Float64Array[] = [];
  tf.tidy(() => {
    const inputs = given.map(([values, shape]) => tensorOf(values, shape));
    const value = operation(...inputs);
    const upstream = tensorOf(randomValues(99, value.size), value.shape);
    for (const tensor of [value, ...tf.grads(operation)(inputs, upstream)])
      found.push(Float64Array.from(tensor.dataSync()));
  });
  return found;
}

/** The kernels agree with what the cpu backend composes of tfjs's operations. */
async function expectAgreement(
  operation: Operation,
  given: readonly Given[],
  tolerance: number,
): Promise<void> {
  const expected = await results('cpu', operation, given);
  const actual = await results(testBackend, operation, given);
  expect(actual.length).toBe(expected.length);
  tf.tidy(() => {
    for (const [index, values] of actual.entries())
      expectClose(
        tf.tensor1d(Float32Array.from(values)),
        expected[index]!,
        tolerance,
        index === 0 ? 'value' : `gradient to input ${index - 1}`,
        0.1, // a gradient that is 0 but for rounding
      );
  });
}

describe(`kernels of our own on ${testBackend}`, () => {
  test('are in use', async () => {
    await startBackend(testBackend);
    const names: readonly FusedKernel[] = [
      'DecoupledProduct',
      'DecoupledProductGradient',
      'PatchNorms',
      'PatchNormsGradient',
      'BatchNormalization',
      'BatchNormalizationGradient',
      'ChannelAffine',
      'NormalizeFilters',
      'NormalizeFiltersGradient',
      'BatchRadius',
      'BatchRadiusGradient',
      'RunningAverages',
    ];
    expect(names.filter((name) => !hasFused(name))).toEqual([]);
  });

  const operators = magnitudeNames.flatMap((magnitude) =>
    angularNames.map((angular) => [magnitude, angular] as const),
  );
  test.each(operators)('%s · %s: one R and k, and one of each filter', async (magnitude, angular) => {
    // More rows than one core takes at a time, and filters that fill no vector.
    for (const [shape, parameters] of [
      [[2, 31, 29, 19], 19],
      [[1, 3, 5, 5], 1],
    ] as const) {
      const patches = [...shape.slice(0, 3), 1];
      const norms = randomValues(1, sizeOf(patches), 0.05, 3);
      const filters = shape[3];
      const cosines = randomValues(2, sizeOf(shape), -0.95, 0.95);
      const projection = cosines.map((cosine, i) => cosine * norms[Math.floor(i / filters)]!);
      const hasRadius = ['ball', 'tanh', 'seg'].includes(magnitude);
      const hasK = angular === 'sigmoid';
      const given: Given[] = [
        [projection, shape],
        [norms, patches],
        ...(hasRadius ? [[randomValues(3, parameters, 0.5, 2), [parameters]] as const] : []),
        ...(hasK ? [[randomValues(4, parameters, 0.2, 0.8), [parameters]] as const] : []),
      ];
      await expectAgreement(
        (u, n, ...rest) =>
          decoupledProduct(
            {
              projection: u as tf.Tensor4D,
              norms: n as tf.Tensor4D,
              radius: hasRadius ? (rest[0] as tf.Tensor1D) : undefined,
              k: hasK ? (rest.at(-1) as tf.Tensor1D) : undefined,
            },
            { magnitude, angular, alpha: 1.3, beta: 0.4 },
          ),
        given,
        2e-5,
      );
    }
  });

  test.each([
    { shape: [3, 7, 9, 5], kernel: 3, stride: 1, padding: 'same' },
    { shape: [2, 8, 5, 19], kernel: 4, stride: 3, padding: 'same' },
    { shape: [2, 9, 6, 1], kernel: 2, stride: 2, padding: 'valid' },
    { shape: [1, 5, 7, 3], kernel: 1, stride: 3, padding: 'same' },
  ] as const)('patch norms: $shape, kernel $kernel, stride $stride, $padding', async (plan) => {
    const { shape, ...window } = plan;
    await expectAgreement(
      (x) => patchNorms(x as tf.Tensor4D, window, normEpsilon),
      [[randomValues(5, sizeOf(shape)), shape]],
      1e-5,
    );
  });

  test.each([true, false])('batch normalisation of more rows than one core takes, relu %s', async (relu) => {
    const shape = [2, 31, 29, 19];
    await expectAgreement(
      (x, gamma, beta) =>
        batchNormalize(x!, gamma as tf.Tensor1D, beta as tf.Tensor1D, relu, () => undefined),
      [
        [randomValues(6, sizeOf(shape), -1, 3), shape],
        [randomValues(7, 19, 0.5, 1.5), [19]],
        [randomValues(8, 19), [19]],
      ],
      1e-4,
    );
  });

  test('normalised filters, whose values fill more than one sum', async () => {
    const filters = [5, 5, 40, 45];
    await expectAgreement(
      (w) => normalizeFilters(w!, normEpsilon),
      [[randomValues(3, sizeOf(filters)), filters]],
      1e-5,
    );
  });

  test.each([1, 19])('R of a batch, %i of them, whose norms fill more than one sum', async (radii) => {
    const patches = [2, 31, 29, 1];
    await expectAgreement(
      (norms, rho) => batchRadius(norms as tf.Tensor4D, { rho: rho as tf.Tensor1D, onMean: () => {} }),
      [
        [randomValues(1, sizeOf(patches), 0.05, 3), patches],
        [randomValues(3, radii, 0.5, 2), [radii]],
      ],
      1e-6,
    );
  });

  test('the same values to the last bit each time', async () => {
    const shape = [2, 31, 29, 19];
    const given: Given[] = [
      [randomValues(1, sizeOf(shape)), shape],
      [randomValues(2, sizeOf([2, 31, 29, 1]), 1, 3), [2, 31, 29, 1]],
      [randomValues(3, 19, 0.5, 2), [19]],
    ];
    const operation: Operation = (projection, norms, radius) =>
      decoupledProduct(
        {
          projection: projection as tf.Tensor4D,
          norms: norms as tf.Tensor4D,
          radius: radius as tf.Tensor1D,
          k: undefined,
        },
        { magnitude: 'tanh', angular: 'cosine', alpha: 1, beta: 0 },
      );
    const first = await results(testBackend, operation, given);
    for (let again = 0; again < 5; again++)
      expect(await results(testBackend, operation, given)).toEqual(first);
  });
});

const normalizedProducts = [
  { magnitude: 'tanh', angular: 'cosine', relu: true },
  { magnitude: 'seg', angular: 'sigmoid', relu: false },
  { magnitude: 'log', angular: 'square-cosine', relu: true },
] as const;
const productShape = [2, 31, 29, 19];
/** Projection, norms, R, k, γ and β. */
const productOperands: readonly Given[] = [
  [randomValues(1, sizeOf(productShape)), productShape],
  [randomValues(2, sizeOf([2, 31, 29, 1]), 1, 3), [2, 31, 29, 1]],
  [randomValues(3, 19, 0.5, 2), [19]],
  [randomValues(4, 19, 0.2, 0.8), [19]],
  [randomValues(5, 19, 0.5, 1.5), [19]],
  [randomValues(6, 19), [19]],
];

/** What a product and its normalisation are given, with R and k where its operator has them. */
function normalizedProduct(
  { magnitude, angular, relu }: (typeof normalizedProducts)[number],
  tensors: readonly tf.Tensor[],
) {
  const [projection, norms, radius, k, gamma, beta] = tensors as [tf.Tensor4D, tf.Tensor4D, ...tf.Tensor1D[]];
  return {
    inputs: {
      projection,
      norms,
      radius: magnitude === 'log' ? undefined : radius,
      k: angular === 'sigmoid' ? k : undefined,
    },
    functions: { magnitude, angular, alpha: 1.3, beta: 0.4 },
    scale: { gamma: gamma!, beta: beta!, relu },
  };
}

describeOn('tensorflow', 'a product normalised at test time', () => {
  test.each(normalizedProducts)(
    '$magnitude · $angular, relu $relu: as its parts, to the last bit',
    async (plan) => {
      await startBackend(testBackend);
      tf.tidy(() => {
        const tensors = productOperands.map(([values, of]) => tensorOf(values, of));
        const { inputs, functions, scale } = normalizedProduct(plan, tensors);
        const { gamma, beta, relu } = scale;
        const averages = {
          mean: tensorOf<tf.Rank.R1>(randomValues(7, 19), [19]),
          variance: tensorOf<tf.Rank.R1>(randomValues(8, 19, 0.5, 2), [19]),
        };
        expect(canNormalizeProduct(false)).toBe(true);
        const product = decoupledProduct(inputs, functions);
        const wanted = normalizeWith(product, gamma, beta, relu, averages).dataSync();
        expect(
          normalizeProductWith(inputs, functions, { ...testAffine(gamma, beta, averages), relu }).dataSync(),
        ).toEqual(wanted);
      });
    },
  );

  test('a tape finds it in parts, which have a gradient', async () => {
    await startBackend(testBackend);
    tf.grad((x) => {
      expect(canNormalizeProduct(false)).toBe(false);
      return tf.mul(x, 2);
    })(tf.scalar(1)).dispose();
  });
});

describeOn('wasm', 'a convolution finished at test time while a cache has it', () => {
  const operators = [
    { magnitude: 'tanh', angular: 'cosine', weighting: 'none' },
    { magnitude: 'seg', angular: 'sigmoid', weighting: 'joint-tanh' },
    { magnitude: 'log', angular: 'square-cosine', weighting: 'linear' },
    { magnitude: 'linear', angular: 'cosine', weighting: 'none' },
  ] as const;
  // 12 images are finished in two parts, and the last is not full. 3×3 filters are computed in tiles, 5×5 are not.
  const windows = [
    { kernel: 3, stride: 1, padding: 'same' },
    { kernel: 5, stride: 1, padding: 'valid' },
    { kernel: 3, stride: 2, padding: 'same' },
  ] as const;
  const values = (seed: number, shape: readonly number[], low = -1, high = 1): Given => [
    randomValues(seed, sizeOf(shape), low, high),
    shape,
  ];
  const given = (kernel: number): readonly Given[] => [
    values(1, [12, 23, 21, 9]),
    values(2, [kernel, kernel, 9, 19]),
    ...[3, 4, 5, 6].map((seed) => values(seed, [19], 0.3, 2)),
  ];

  test.each(operators.flatMap((operator) => windows.map((window) => ({ ...operator, ...window }))))(
    '$magnitude · $angular, $kernel×$kernel, stride $stride: as its parts, to the last bit',
    async ({ kernel, ...operator }) => {
      await startBackend('wasm');
      tf.tidy(() => {
        const [x, w, ...perFilter] = given(kernel).map(([numbers, shape]) => tensorOf(numbers, shape));
        const [radius, k, slope, shift] = perFilter as [tf.Tensor1D, ...tf.Tensor1D[]];
        const options = { ...operator, alpha: 1.3, beta: 0.4, radius, rho: radius, k };
        const convolve = (affine?: ChannelAffine): tf.Tensor =>
          decoupledConv2d(x as tf.Tensor4D, w as tf.Tensor4D, { ...options, affine });
        const parts = channelAffine(convolve(), slope!, shift!, true);
        const whole = convolve({ slope: slope!, shift: shift!, relu: true });
        // A weight of the filter is multiplied into the slope instead.
        if (operator.weighting === 'linear')
          expectClose(whole, Float64Array.from(parts.dataSync()), 1e-6, 'value', 0.1);
        else expect(whole.dataSync()).toEqual(parts.dataSync());
      });
    },
  );

  test.each(windows)(
    'plain, $kernel×$kernel, stride $stride: as its parts, to the last bit',
    async (window) => {
      await startBackend('wasm');
      tf.tidy(() => {
        const [x, filters, slope, shift] = given(window.kernel).map(([numbers, shape]) =>
          tensorOf(numbers, shape),
        ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D, tf.Tensor1D];
        expect(canFinishConvolution()).toBe(true);
        const parts = channelAffine(
          tf.conv2d(x, filters, window.stride, window.padding),
          slope,
          shift,
          false,
        );
        const whole = affineConvolution({ x, filters }, undefined, window, { slope, shift, relu: false });
        expect(whole.dataSync()).toEqual(parts.dataSync());
      });
    },
  );

  test('a tape finds it in parts, which have a gradient', async () => {
    await startBackend('wasm');
    tf.grad((x) => {
      expect(canFinishConvolution()).toBe(false);
      return tf.mul(x, 2);
    })(tf.scalar(1)).dispose();
  });
});

describeOn('tensorflow', 'what is one operation there does the same as its parts', () => {
  test.each(normalizedProducts)(
    '$magnitude · $angular with batch normalisation, relu $relu: to the last bit',
    async (plan) => {
      const statistics: number[][] = [];
      const keep = ({ mean, variance }: Record<'mean' | 'variance', tf.Tensor>): void =>
        void statistics.push([...mean.dataSync(), ...variance.dataSync()]);
      // R and k stand in the sum, so that each has a gradient whether the operator has it or not.
      const andUnused = (y: tf.Tensor, tensors: readonly tf.Tensor[]): tf.Tensor =>
        tf.add(y, tf.mul(tf.add(tensors[2]!, tensors[3]!), 0));
      const inParts: Operation = (...tensors) => {
        const { inputs, functions, scale } = normalizedProduct(plan, tensors);
        const product = decoupledProduct(inputs, functions);
        return andUnused(batchNormalize(product, scale.gamma, scale.beta, scale.relu, keep), tensors);
      };
      const asOne: Operation = (...tensors) => {
        const { inputs, functions, scale } = normalizedProduct(plan, tensors);
        expect(canNormalizeProduct(true)).toBe(true);
        return andUnused(batchNormalizeProduct(inputs, functions, scale, keep), tensors);
      };
      const expected = await results(testBackend, inParts, productOperands);
      const actual = await results(testBackend, asOne, productOperands);
      expect(statistics[2]).toEqual(statistics[0]);
      expect(actual).toEqual(expected);
    },
  );

  test.each([
    { kernel: 3, stride: 1, padding: 'same', channels: 5, filters: 6 },
    { kernel: 2, stride: 3, padding: 'valid', channels: 5, filters: 6 },
    { kernel: 3, stride: 1, padding: 'same', channels: 16, filters: 48 },
    { kernel: 3, stride: 1, padding: 'valid', channels: 48, filters: 16 },
  ] as const)(
    'projection and norms: $channels channels, $filters filters, kernel $kernel, stride $stride, $padding',
    async ({ channels, filters, ...window }) => {
      const { kernel } = window;
      const x = [2, 9, 7, channels];
      const unit = [kernel, kernel, channels, filters];
      await expectAgreement(
        (x, unit) => {
          const { projection, norms } = projectionAndNorms(x as tf.Tensor4D, unit as tf.Tensor4D, window);
          return tf.mul(projection, norms);
        },
        [
          [randomValues(1, sizeOf(x)), x],
          [randomValues(2, sizeOf(unit)), unit],
        ],
        1e-5,
      );
    },
  );
});
