import * as tf from '@tensorflow/tfjs-core';
import { models, type Sequential, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OperatorInput } from '../../../src/core/config/operatorSchema.js';
import { resolveOperator } from '../../../src/core/operator/operator.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { DebiasedBatchNormalization } from '../../../src/engine/layers/batchNormalization.js';
import {
  DecoupledConv2D,
  type DecoupledConv2DArgs,
} from '../../../src/engine/layers/decoupledConv2dLayer.js';
import { variableOf } from '../../../src/engine/layers/layerWeights.js';
import { PlainConv2D } from '../../../src/engine/layers/plainConv2dLayer.js';
import { testBackend } from '../backends.js';
import { patchNorms } from '../operator/oracle.js';
import { expectClose, expectNoLeak, randomValues, sizeOf, tensorOf } from '../tensors.js';
import { checkAgainstFloat64 } from './layerOracle.js';

const xShape: [number, number, number, number] = [4, 6, 5, 2];

function image(seed: number): tf.Tensor4D {
  return tensorOf<tf.Rank.R4>(randomValues(seed, sizeOf(xShape)), xShape);
}

function layerOf(operator: OperatorInput, more: Partial<DecoupledConv2DArgs> = {}): DecoupledConv2D {
  const layer = new DecoupledConv2D({
    filters: 3,
    kernelSize: 3,
    strides: 2,
    padding: 'same',
    operator: resolveOperator(operator),
    averageDecay: 0.9,
    seed: 5,
    ...more,
  });
  layer.build([null, 6, 5, 2]);
  return layer;
}

/** Mean of the ε-norms of all patches, in float64. */
function meanNorm(seed: number): number {
  const windows = { xShape, wShape: [3, 3, 2, 3], stride: 2, padding: 'same' } as const;
  const norms = patchNorms(windows, randomValues(seed, sizeOf(xShape)));
  return norms.reduce((total, norm) => total + norm, 0) / norms.length;
}

const scalarOf = (variable: tf.Tensor): number => variable.dataSync()[0]!;

beforeAll(async () => {
  await startBackend(testBackend);
});

describe('DecoupledConv2D', () => {
  test('weights: names, shapes, initial values, and which are trained', () => {
    const weightsOf = (operator: OperatorInput) =>
      layerOf(operator).weights.map((weight) => [
        weight.originalName.split('/').at(-1),
        weight.shape,
        weight.trainable,
      ]);
    expect(weightsOf({ angular: 'sigmoid', learnK: 'per-layer' })).toEqual([
      ['kernel', [3, 3, 2, 3], true],
      ['rho_root', [3], true],
      ['k_root', [1], true],
      ['mean_patch_norm', [], false],
      ['mean_patch_norm_weight', [], false],
    ]);
    expect(weightsOf({ magnitude: 'ball', radius: 'fixed', learnRho: false, angular: 'sigmoid' })).toEqual([
      ['kernel', [3, 3, 2, 3], true],
      ['rho_root', [1], false],
      ['k_root', [1], false],
    ]);
    expect(weightsOf({ magnitude: 'linear' })).toEqual([['kernel', [3, 3, 2, 3], true]]);
    const layer = layerOf({ rho: 2.5, angular: 'sigmoid', k: 0.7, learnK: 'per-filter' });
    tf.tidy(() => {
      expectClose(layer.rho()!, Float64Array.of(2.5, 2.5, 2.5), 1e-6, 'ρ');
      expectClose(layer.k()!, Float64Array.of(0.7, 0.7, 0.7), 1e-6, 'k');
    });
  });

  test('initial filters are He normal', () => {
    const layer = layerOf({}, { filters: 2000 });
    const values = layer.kernel.dataSync<'float32'>();
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(mean).toBeCloseTo(0, 2);
    expect(Math.sqrt(variance)).toBeCloseTo(Math.sqrt(2 / 18), 2);
  });

  test('adaptive radius: a batch mean in training, its zero-debiased average at test time', () => {
    const layer = layerOf({ magnitude: 'ball', rho: 0.8 });
    tf.tidy(() => {
      const fixedAt = (mean: number, x: tf.Tensor): Float64Array => {
        const fixed = layerOf({ magnitude: 'ball', radius: 'fixed', rho: 0.8 * mean });
        return Float64Array.from((fixed.call(x, {}) as tf.Tensor).dataSync());
      };
      const [first, second] = [meanNorm(1), meanNorm(2)];
      const trained = layer.call(image(1), { training: true }) as tf.Tensor;
      expectClose(trained, fixedAt(first, image(1)), 1e-5, 'training');
      expect(scalarOf(layer.meanPatchNorm)).toBeCloseTo(first, 5);

      layer.call(image(2), { training: true });
      const average = (0.9 * 0.1 * first + 0.1 * second) / (1 - 0.9 ** 2);
      expect(scalarOf(layer.meanPatchNorm)).toBeCloseTo(average, 5);
      expectClose(layer.call(image(1), {}) as tf.Tensor, fixedAt(average, image(1)), 1e-5, 'test');
      expect(scalarOf(layer.meanPatchNorm)).toBeCloseTo(average, 5);
    });
  });

  test.each(
    (['ball', 'seg', 'tanh'] as const).flatMap((magnitude) =>
      (['per-filter', 'per-layer'] as const).flatMap((learned) =>
        (['same', 'valid'] as const).map((padding) => ({ magnitude, learned, padding })),
      ),
    ),
  )(
    'adaptive radius of $magnitude, ρ and k $learned, $padding: the gradients through the batch mean agree with float64',
    ({ magnitude, learned, padding }) => {
      const input = { magnitude, angular: 'sigmoid', learnRho: learned, learnK: learned } as const;
      const strides = padding === 'same' ? 2 : 1;
      const layer = layerOf(input, { padding, strides });
      const operator = resolveOperator(input);
      checkAgainstFloat64(
        { layer, operator, windows: { xShape, wShape: [3, 3, 2, 3], stride: strides, padding } },
        xShape,
      );
    },
  );

  test('adaptive radius: ball whose radius follows the scale has no slope along it', () => {
    const layer = layerOf({ magnitude: 'ball', rho: 1.1 });
    tf.tidy(() => {
      const loss = (x: tf.Tensor): tf.Tensor => tf.sum(layer.call(x, { training: true }) as tf.Tensor);
      const along = scalarOf(tf.sum(tf.mul(tf.grad(loss)(image(3)), image(3))));
      expect(Math.abs(along)).toBeLessThan(1e-3);
    });
  });

  test('leaves no tensor behind, in training and at test time', () => {
    const layer = layerOf({ angular: 'sigmoid', learnK: 'per-filter' });
    const x = image(1);
    const variables = layer.trainableWeights.map((weight) => weight.read() as tf.Variable);
    expectNoLeak(() => {
      (layer.call(x, {}) as tf.Tensor).dispose();
      (layer.call(x, { training: true }) as tf.Tensor).dispose();
      const { value, grads } = tf.variableGrads(
        () => tf.sum(layer.call(x, { training: true }) as tf.Tensor),
        variables,
      );
      expect(Object.keys(grads)).toHaveLength(3);
      tf.dispose([value, grads]);
    });
    x.dispose();
  });
});

describe('PlainConv2D', () => {
  test('has the filters alone, and no gradient of the images is computed when theirs is', async () => {
    const layer = new PlainConv2D({ filters: 3, kernelSize: 3, strides: 1, padding: 'valid', seed: 5 });
    layer.build([null, 6, 5, 2]);
    expect(layer.weights.map(({ originalName, shape }) => [originalName.split('/').at(-1), shape])).toEqual([
      ['kernel', [3, 3, 2, 3]],
    ]);
    expect(layer.computeOutputShape([null, 6, 5, 2])).toEqual([null, 4, 3, 3]);
    const x = image(1);
    const filters = variableOf(layer.weights[0]!);
    const { kernelNames } = await tf.profile(() =>
      tf.variableGrads(() => tf.sum<tf.Scalar>(layer.call(x, {})), [filters]),
    );
    expect(kernelNames).toContain('Conv2DBackpropFilter');
    expect(kernelNames).not.toContain('Conv2DBackpropInput');
  });
});

describe('DebiasedBatchNormalization', () => {
  test('trains with batch statistics and tests with zero-debiased averages', () => {
    const layer = new DebiasedBatchNormalization({ activation: 'none', averageDecay: 0.75 });
    layer.build([null, 1]);
    tf.tidy(() => {
      const one = tf.tensor2d([[1], [3]]);
      const trained = layer.call(one, { training: true }) as tf.Tensor;
      expectClose(trained, Float64Array.of(-1 / Math.sqrt(1.001), 1 / Math.sqrt(1.001)), 1e-6, 'training');
      layer.call(tf.tensor2d([[4], [10]]), { training: true });
      // Means 2 and 7, variances 1 and 9, weights .75·.25 and .25.
      const debiased = (first: number, second: number): number =>
        (0.75 * 0.25 * first + 0.25 * second) / (1 - 0.75 ** 2);
      const tested = layer.call(one, {}) as tf.Tensor;
      const expected = [1, 3].map((x) => (x - debiased(2, 7)) / Math.sqrt(debiased(1, 9) + 1e-3));
      expectClose(tested, Float64Array.from(expected), 1e-5, 'test');
    });
  });

  test('leaves no tensor behind', () => {
    const layer = new DebiasedBatchNormalization({ activation: 'relu', averageDecay: 0.75 });
    layer.build([null, 6, 5, 2]);
    const x = image(1);
    const variables = layer.trainableWeights.map((weight) => weight.read() as tf.Variable);
    expectNoLeak(() => {
      (layer.call(x, {}) as tf.Tensor).dispose();
      const { value, grads } = tf.variableGrads(
        () => tf.sum(layer.call(x, { training: true }) as tf.Tensor),
        variables,
      );
      tf.dispose([value, grads]);
    });
    x.dispose();
  });
});

describe('the authors’ averages (decay 0.999, zero-debiased) over 40 steps, in float64', () => {
  const decay = 0.999;
  /** Batches that drift, so that a bias towards the start or the end would show. */
  const batches = Array.from({ length: 40 }, (_, t) =>
    Array.from({ length: 8 }, (_, i) => Math.sin(3 * i + t) * (1 + t / 10) + t / 5),
  );
  /** (1 − d) Σ dᵗ⁻ⁱ vᵢ / (1 − dᵗ). */
  const averaged = (values: readonly number[]): number => {
    const n = values.length;
    const sum = values.reduce((total, value, i) => total + decay ** (n - 1 - i) * value, 0);
    return ((1 - decay) * sum) / (1 - decay ** n);
  };
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

  test('of batch normalisation, with ε 1e-3', () => {
    const layer = new DebiasedBatchNormalization({ activation: 'none', averageDecay: decay });
    layer.build([null, 1]);
    tf.tidy(() => {
      for (const batch of batches) layer.call(tf.tensor2d(batch, [8, 1]), { training: true });
      const means = averaged(batches.map(mean));
      const variances = averaged(batches.map((batch) => mean(batch.map((v) => (v - mean(batch)) ** 2))));
      const expected = batches[0]!.map((v) => (v - means) / Math.sqrt(variances + 1e-3));
      const tested = layer.call(tf.tensor2d(batches[0]!, [8, 1]), {}) as tf.Tensor;
      expectClose(tested, Float64Array.from(expected), 1e-4, 'test');
    });
  });

  test('of the mean patch norm, ε = 1e-4 inside the root', () => {
    const operator = resolveOperator({ magnitude: 'tanh', angular: 'cosine' });
    const layer = new DecoupledConv2D({
      filters: 1,
      kernelSize: 1,
      strides: 1,
      padding: 'same',
      operator,
      averageDecay: decay,
      seed: 1,
    });
    layer.build([null, 2, 2, 1]);
    tf.tidy(() => {
      for (const batch of batches) layer.call(tf.tensor4d(batch, [2, 2, 2, 1]), { training: true });
    });
    const norms = batches.map((batch) => mean(batch.map((v) => Math.sqrt(v * v + 1e-4))));
    expect(layer.meanPatchNorm.dataSync()[0]).toBeCloseTo(averaged(norms), 4);
  });
});

describe('serialisation', () => {
  test.each([
    { magnitude: 'tanh', angular: 'square-cosine', learnRho: 'per-layer' },
    {
      magnitude: 'seg',
      angular: 'sigmoid',
      radius: 'fixed',
      learnK: 'per-filter',
      beta: 0.25,
      learnRho: false,
    },
  ] as OperatorInput[])(
    'toJSON → modelFromJSON gives the same layers: $magnitude × $angular',
    async (operator) => {
      const model = sequential({
        layers: [
          new DecoupledConv2D({
            name: 'first',
            batchInputShape: [null, 6, 5, 2],
            filters: 3,
            kernelSize: 2,
            strides: 1,
            padding: 'valid',
            operator: resolveOperator(operator),
            averageDecay: 0.99,
            seed: 8,
          }),
          new DebiasedBatchNormalization({ name: 'second', activation: 'relu', averageDecay: 0.99 }),
        ],
      });
      const json = JSON.parse(model.toJSON() as string);
      const copy = (await models.modelFromJSON(json)) as Sequential;
      expect(copy.layers.map((layer) => layer.getConfig())).toEqual(
        model.layers.map((layer) => layer.getConfig()),
      );
      expect(copy.outputs[0]!.shape).toEqual([null, 5, 4, 3]);
      tf.tidy(() => {
        copy.setWeights(model.getWeights());
        const x = image(4);
        const expected = Float64Array.from((model.predict(x) as tf.Tensor).dataSync());
        expectClose(copy.predict(x) as tf.Tensor, expected, 1e-7, 'prediction');
      });
    },
  );
});
