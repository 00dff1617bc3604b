import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { angularNames, magnitudeNames } from '../../../src/core/config/operatorSchema.js';
import { usesRadius } from '../../../src/core/operator/operator.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { decoupledConv2d } from '../../../src/engine/operator/decoupledConv2d.js';
import { testBackends } from '../backends.js';
import { expectClose, expectNoLeak, randomValues, sizeOf, tensorOf } from '../tensors.js';
import { angle, decoupled, gradient, magnitude, outputShape, type Problem, type Values } from './oracle.js';

const pairs = magnitudeNames.flatMap((magnitudeName) =>
  angularNames.map((angular) => ({ magnitude: magnitudeName, angular })),
);
/** Every operator linearly weighted, and tanh as equations 15 and 16 have it. */
const weightedOperators = [
  ...pairs.map((pair) => ({ ...pair, weighting: 'linear' as const })),
  ...(['joint-tanh', 'separate-tanh'] as const).flatMap((weighting) =>
    angularNames.map((angular) => ({ magnitude: 'tanh' as const, angular, weighting })),
  ),
];
const exponents = magnitudeNames.flatMap((magnitudeName, i) =>
  [1, 1.5, 3, 7.3].map((exponent) => ({
    magnitude: magnitudeName,
    exponent,
    weighting: (['none', 'linear'] as const)[i % 2],
  })),
);
const base: Problem = {
  xShape: [2, 6, 5, 3],
  wShape: [3, 3, 3, 5],
  stride: 1,
  padding: 'same',
  magnitude: 'tanh',
  angular: 'cosine',
  alpha: 1.3,
  beta: 0.4,
};

/** Inputs whose patch norms lie on both sides of the radii. */
function valuesFor({ xShape, wShape }: Problem, seed: number, perFilter: boolean): Values {
  const x = randomValues(seed, sizeOf(xShape));
  const typical = Math.sqrt((wShape[0] * wShape[1] * wShape[2]) / 3);
  const shared = perFilter ? wShape[3] : 1;
  return {
    x,
    w: randomValues(seed + 1, sizeOf(wShape)),
    radius: randomValues(seed + 2, shared, 0.5 * typical, 1.3 * typical),
    k: randomValues(seed + 3, shared, 0.15, 0.9),
    rho: randomValues(seed + 5, shared, 0.7, 1.6),
  };
}

function tensorsOf(problem: Problem, values: Values) {
  return {
    x: tensorOf<tf.Rank.R4>(values.x, problem.xShape),
    w: tensorOf<tf.Rank.R4>(values.w, problem.wShape),
    radius: tensorOf<tf.Rank.R1>(values.radius, [values.radius.length]),
    k: tensorOf<tf.Rank.R1>(values.k, [values.k.length]),
    rho: tensorOf<tf.Rank.R1>(values.rho!, [values.rho!.length]),
  };
}

/** Σ upstream·y and its gradients to x, w, R and k, those that the operator has. */
function checkAgainstOracle(problem: Problem, values: Values, seed: number): void {
  const upstream = randomValues(seed + 4, sizeOf(outputShape(problem)));
  const inputs: (keyof Values)[] = ['x', 'w'];
  if (usesRadius(problem.magnitude)) inputs.push('radius');
  if (problem.angular === 'sigmoid') inputs.push('k');
  if (problem.weighting === 'separate-tanh') inputs.push('rho');
  tf.tidy(() => {
    const tensors = tensorsOf(problem, values);
    const dy = tensorOf(upstream, outputShape(problem));
    const apply = (...given: tf.Tensor[]): tf.Tensor => {
      const named = { ...tensors, ...Object.fromEntries(inputs.map((name, index) => [name, given[index]])) };
      const { x, w, radius, k, rho } = named as typeof tensors;
      return decoupledConv2d(x, w, { ...problem, radius, k, rho });
    };
    const given = inputs.map((name) => tensors[name] as tf.Tensor);
    const y = apply(...given);
    expect(y.shape).toEqual(outputShape(problem));
    expectClose(y, decoupled(problem, values), 1e-5, 'y');
    const gradients = tf.grads(apply)(given, dy);
    inputs.forEach((name, index) => {
      expectClose(
        gradients[index]!,
        gradient(problem, values, upstream, name),
        5e-5,
        `gradient to ${name}`,
        0.1,
      );
    });
  });
}

describe.each(testBackends)('decoupledConv2d on %s', (backend) => {
  beforeAll(async () => {
    await startBackend(backend);
  });

  test.each(pairs)('$magnitude × $angular: value and gradients agree with float64', (pair) => {
    const problem = { ...base, ...pair };
    checkAgainstOracle(problem, valuesFor(problem, 11, true), 21);
    checkAgainstOracle(problem, valuesFor(problem, 31, false), 41);
  });

  test.each(weightedOperators)(
    '$magnitude × $angular, weighting $weighting: value and gradients agree with float64',
    (operator) => {
      const problem = { ...base, ...operator };
      checkAgainstOracle(problem, valuesFor(problem, 51, true), 61);
      checkAgainstOracle(problem, valuesFor(problem, 71, false), 81);
    },
  );

  test.each(exponents)(
    '$magnitude × |cos θ|^$exponent: value and gradients agree with float64',
    (operator) => {
      const problem: Problem = { ...base, ...operator, angular: 'square-cosine' };
      checkAgainstOracle(problem, valuesFor(problem, 91, true), 101);
    },
  );

  // Kernels that take the cosine back from y must invert this g, too.
  test.each(
    [1.5, 3].flatMap((exponent) =>
      (['none', 'linear', 'joint-tanh', 'separate-tanh'] as const).map((weighting) => ({
        exponent,
        weighting,
      })),
    ),
  )(
    '|cos θ|^$exponent, weighting $weighting, more filters than a workgroup has: gradients agree with float64',
    (operator) => {
      const problem: Problem = {
        ...{ ...base, xShape: [2, 5, 4, 2], wShape: [2, 2, 2, 18] },
        ...{ ...operator, angular: 'square-cosine' },
      };
      checkAgainstOracle(problem, valuesFor(problem, 111, true), 121);
    },
  );

  test.each([1.5, 2, 3])('|cos θ|^%d is flat where the cosine is 0', (exponent) => {
    tf.tidy(() => {
      const { w, radius } = tensorsOf(base, valuesFor(base, 5, true));
      const apply = (image: tf.Tensor4D, filters: tf.Tensor4D): tf.Tensor4D =>
        decoupledConv2d(image, filters, { ...base, angular: 'square-cosine', exponent, radius });
      const dark = tf.zeros<tf.Rank.R4>([...base.xShape]);
      for (const tensor of [
        apply(dark, w),
        ...tf.grads((image, filters) => apply(image as tf.Tensor4D, filters as tf.Tensor4D))([dark, w]),
      ])
        expect(new Set(tensor.dataSync().map(Math.abs))).toEqual(new Set([0]));
    });
  });

  test('the exponents of cosine and square cosine agree with those', () => {
    tf.tidy(() => {
      const { x, w, radius } = tensorsOf(base, valuesFor(base, 5, true));
      const apply = (angular: 'cosine' | 'square-cosine', exponent?: number): Float64Array =>
        Float64Array.from(decoupledConv2d(x, w, { ...base, angular, exponent, radius }).dataSync());
      const near = decoupledConv2d(x, w, { ...base, angular: 'square-cosine', exponent: 1, radius });
      expectClose(near, apply('cosine'), 1e-6, 'B = 1');
      const close = decoupledConv2d(x, w, { ...base, angular: 'square-cosine', exponent: 2.0001, radius });
      expectClose(close, apply('square-cosine'), 1e-3, 'B just over 2');
    });
  });

  test('any window: strides, paddings, even and odd kernels, any number of channels', () => {
    const side = fc.integer({ min: 1, max: 7 });
    const shapes = fc.record({
      batch: fc.integer({ min: 1, max: 2 }),
      height: side,
      width: side,
      channels: fc.integer({ min: 1, max: 5 }),
      kernel: fc.integer({ min: 1, max: 4 }),
      filters: fc.integer({ min: 1, max: 6 }),
      stride: fc.integer({ min: 1, max: 3 }),
      padding: fc.constantFrom('same' as const, 'valid' as const),
      pair: fc.constantFrom(...pairs),
      perFilter: fc.boolean(),
      seed: fc.integer({ min: 1, max: 1_000_000 }),
    });
    fc.assert(
      fc.property(
        shapes,
        ({ batch, height, width, channels, kernel, filters, pair, perFilter, seed, ...rest }) => {
          fc.pre(rest.padding === 'same' || kernel <= Math.min(height, width));
          const problem: Problem = {
            ...base,
            ...rest,
            ...pair,
            xShape: [batch, height, width, channels],
            wShape: [kernel, kernel, channels, filters],
          };
          // With one or two values under the filter angles are near 0 or π, where arccos has no slope to compare.
          fc.pre(kernel * kernel * channels >= 4);
          checkAgainstOracle(problem, valuesFor(problem, seed, perFilter), seed + 10);
        },
      ),
      // WebGPU compiles its kernels anew for each shape, which a simulated GPU takes long to do.
      { numRuns: backend === 'webgpu' ? 20 : 60, seed: 7 },
    );
  });

  test.each(pairs)(
    '$magnitude × $angular: finite at zero, tiny and huge patches, with the right limits',
    (pair) => {
      const problem: Problem = { ...base, ...pair, xShape: [1, 1, 1, 2], wShape: [1, 1, 2, 2] };
      for (const size of [0, 1e-8, 1, 1e8]) {
        tf.tidy(() => {
          // Parallel to the first filter, opposite to the second.
          const x = tf.tensor4d([0.6 * size, 0.8 * size], [1, 1, 1, 2]);
          const w = tf.tensor4d([0.6, -0.6, 0.8, -0.8], [1, 1, 2, 2]);
          const options = { ...problem, radius: tf.tensor1d([1, 2]), k: tf.tensor1d([0.3]) };
          const apply = (image: tf.Tensor, filters: tf.Tensor): tf.Tensor =>
            decoupledConv2d(image as tf.Tensor4D, filters as tf.Tensor4D, options);
          const y = apply(x, w);
          const n = Math.sqrt(size * size + 1e-4);
          const cosine = size / (n * Math.sqrt(1.0001));
          const expected = [
            magnitude(problem, n, 1) * angle(pair.angular, cosine, 0.3),
            magnitude(problem, n, 2) * angle(pair.angular, -cosine, 0.3),
          ];
          if (size > 0) expectClose(y, Float64Array.from(expected), 1e-4, `y at ‖x‖ = ${size}`);
          const [dx, dw] = tf.grads(apply)([x, w], tf.onesLike(y));
          for (const part of [y, dx!, dw!]) {
            for (const value of part.dataSync()) expect(Number.isFinite(value)).toBe(true);
          }
          if (size === 0) expect([...y.dataSync()]).toEqual([0, 0]);
        });
      }
    },
  );

  test.each(['ball', 'tanh', 'seg'] as const)('%s at the radius itself', (magnitudeName) => {
    const problem: Problem = {
      ...base,
      magnitude: magnitudeName,
      xShape: [1, 1, 1, 1],
      wShape: [1, 1, 1, 1],
    };
    const n = Math.sqrt(4 + 1e-4);
    for (const factor of [1 - 1e-6, 1, 1 + 1e-6]) {
      tf.tidy(() => {
        const radius = tf.tensor1d([n * factor]);
        const apply = (x: tf.Tensor, w: tf.Tensor, R: tf.Tensor): tf.Tensor =>
          decoupledConv2d(x as tf.Tensor4D, w as tf.Tensor4D, { ...problem, radius: R as tf.Tensor1D });
        const inputs = [tf.tensor4d([2], [1, 1, 1, 1]), tf.tensor4d([1], [1, 1, 1, 1]), radius];
        const y = apply(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor]));
        const expected = (magnitude(problem, n, n) * 2) / (n * Math.sqrt(1.0001));
        expectClose(y, Float64Array.of(expected), 1e-5, 'y');
        const [dx, , dR] = tf.grads(apply)(inputs);
        // At the corner the slope is one of its two sides'.
        const side = (from: number, by: number, f: (value: number) => number): number =>
          (f(from + by) - f(from)) / by;
        const slopes = [-1e-6, 1e-6].map((by) => side(n, by, (value) => magnitude(problem, value, n)));
        const slope = dR!.dataSync()[0]!;
        const radiusSlopes = [-1e-6, 1e-6].map((by) => side(n, by, (R) => magnitude(problem, n, R)));
        expect(Math.min(...radiusSlopes.map((each) => Math.abs(each - slope)))).toBeLessThan(1e-3);
        const along = dx!.dataSync()[0]!;
        expect(along).toBeGreaterThan(Math.min(...slopes) - 1e-3);
        expect(along).toBeLessThan(Math.max(...slopes) + 1e-3);
      });
    }
  });

  test.each(pairs)('$magnitude × $angular leaves no tensor behind', (pair) => {
    const problem = { ...base, ...pair };
    const tensors = tensorsOf(problem, valuesFor(problem, 5, true));
    const [x, w, radius, k] = Object.values(tensors).map((tensor) => tf.variable(tensor)) as [
      tf.Variable<tf.Rank.R4>,
      tf.Variable<tf.Rank.R4>,
      tf.Variable<tf.Rank.R1>,
      tf.Variable<tf.Rank.R1>,
    ];
    const loss = (): tf.Scalar => tf.sum(decoupledConv2d(x, w, { ...problem, radius, k }));
    expectNoLeak(() => {
      tf.tidy(loss).dispose();
      const { value, grads } = tf.variableGrads(loss, [x, w]);
      tf.dispose([value, ...Object.values(grads)]);
    });
    tf.dispose([tensors, [x, w, radius, k]]);
  });
});
