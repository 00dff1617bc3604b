import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { NetworkLayer } from '../../../src/core/config/network.js';
import { parameterCount } from '../../../src/core/config/parameters.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { testBackend } from '../backends.js';
import { expectClose, expectNoLeak, randomValues, sizeOf, tensorOf } from '../tensors.js';
import { networkOf, sampleLayers } from './sampleNetwork.js';

const options = { seed: 1, averageDecay: 0.9 };
const shape = [12, 12, 1] as const;
/** Every type of layer, decoupled and plain. */
const layers = [
  { type: 'conv', name: 'first', filters: 4 },
  { type: 'max-pool' },
  { type: 'conv', filters: 6, operator: 'inner-product', kernel: 2, padding: 'valid' },
  { type: 'average-pool', size: 3, stride: 1, padding: 'same' },
  {
    type: 'conv',
    filters: 5,
    batchNorm: false,
    stride: 2,
    operator: { magnitude: 'seg', angular: 'sigmoid', radius: 'fixed', rho: 1.5, learnRho: 'per-layer' },
  },
  { type: 'flatten' },
  { type: 'dense', units: 8, batchNorm: true, activation: 'relu' },
  { type: 'dense', units: 4 },
];

const made: DcnetModel[] = [];
function modelOf(seed = 1): DcnetModel {
  const model = buildModel(networkOf(layers, {}, shape, 4), { ...options, seed });
  made.push(model);
  return model;
}

function images(seed: number, count = 6): tf.Tensor4D {
  const full = [count, ...shape];
  return tensorOf<tf.Rank.R4>(randomValues(seed, sizeOf(full)), full);
}

const valuesOf = (tensor: tf.Tensor): Float64Array => Float64Array.from(tensor.dataSync());

beforeAll(async () => {
  await startBackend(testBackend);
});
afterEach(() => {
  for (const model of made.splice(0)) model.dispose();
});

describe('buildModel', () => {
  test('names every tensor of a checkpoint, in the network’s order', () => {
    expect([...modelOf().tensors].map(([name, { shape: size }]) => [name, size])).toEqual([
      ['first/kernel', [3, 3, 1, 4]],
      ['first/rho_root', [4]],
      ['first/mean_patch_norm', []],
      ['first/mean_patch_norm_weight', []],
      ['first/batch_norm/gamma', [4]],
      ['first/batch_norm/beta', [4]],
      ['first/batch_norm/moving_mean', [4]],
      ['first/batch_norm/moving_variance', [4]],
      ['first/batch_norm/average_weight', []],
      ['conv2/kernel', [2, 2, 4, 6]],
      ['conv2/batch_norm/gamma', [6]],
      ['conv2/batch_norm/beta', [6]],
      ['conv2/batch_norm/moving_mean', [6]],
      ['conv2/batch_norm/moving_variance', [6]],
      ['conv2/batch_norm/average_weight', []],
      ['conv3/kernel', [3, 3, 6, 5]],
      ['conv3/rho_root', [1]],
      ['conv3/k_root', [1]],
      ['dense1/kernel', [45, 8]],
      ['dense1/batch_norm/gamma', [8]],
      ['dense1/batch_norm/beta', [8]],
      ['dense1/batch_norm/moving_mean', [8]],
      ['dense1/batch_norm/moving_variance', [8]],
      ['dense1/batch_norm/average_weight', []],
      ['dense2/kernel', [8, 4]],
    ]);
  });

  test('trains what is learned, and decays plain filters, dense weights and batch normalisation only', () => {
    const model = modelOf();
    expect(model.trainable.filter(({ decay }) => !decay).map(({ name }) => name)).toEqual([
      'first/kernel',
      'first/rho_root',
      'conv3/kernel',
      'conv3/rho_root',
    ]);
    expect(model.trainable.filter(({ decay }) => decay).map(({ name }) => name)).toEqual([
      'first/batch_norm/gamma',
      'first/batch_norm/beta',
      'conv2/kernel',
      'conv2/batch_norm/gamma',
      'conv2/batch_norm/beta',
      'dense1/kernel',
      'dense1/batch_norm/gamma',
      'dense1/batch_norm/beta',
      'dense2/kernel',
    ]);
    expect(model.parameterCount).toBe(36 + 4 + 270 + 1 + 8 + 96 + 12 + 360 + 16 + 32);
  });

  test('has as many parameters as the config’s reader counts', () => {
    const kinds = [
      { learnRho: 'per-filter', learnK: 'per-layer' },
      { learnRho: 'per-layer', learnK: 'per-filter' },
      { learnRho: false, learnK: false },
    ].map((learned, i) => ({
      type: 'conv',
      filters: 3 + i,
      operator: { magnitude: (['tanh', 'log', 'ball'] as const)[i], angular: 'sigmoid', ...learned },
    }));
    const network = networkOf([...kinds, ...layers], {}, shape, 4);
    const model = buildModel(network, options);
    made.push(model);
    const counts = network.layers.map(parameterCount);
    // 3×3×1×3 weights, 3 ρ, 1 k, γ and β · log has no ρ: 27×4, 4 k, γ and β · nothing learned: 36×5, γ and β
    expect(counts.slice(0, 3)).toEqual([27 + 3 + 1 + 6, 108 + 4 + 8, 180 + 10]);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(model.parameterCount);
  });

  test('the same seed gives the same weights, another seed others; a layer’s depend on its own name alone', () => {
    const weights = (model: DcnetModel): number[][] =>
      [...model.tensors.values()].map((each) => [...each.dataSync()]);
    expect(weights(modelOf(3))).toEqual(weights(modelOf(3)));
    expect(weights(modelOf(4))).not.toEqual(weights(modelOf(3)));
    const twins = buildModel(
      networkOf([layers[0]!, { ...layers[0], name: 'twin' }, ...layers.slice(5)], {}, [12, 12, 4], 4),
      options,
    );
    made.push(twins);
    expect(valuesOf(twins.tensors.get('twin/kernel')!)).not.toEqual(
      valuesOf(twins.tensors.get('first/kernel')!),
    );
    const shorter = buildModel(networkOf([layers[0]!, ...layers.slice(5)], {}, shape, 4), {
      ...options,
      seed: 3,
    });
    made.push(shorter);
    expect(valuesOf(shorter.tensors.get('first/kernel')!)).toEqual(
      valuesOf(modelOf(3).tensors.get('first/kernel')!),
    );
  });

  test('walk gives predict’s scores, and shows each layer its input and its raw output', () => {
    const model = modelOf();
    const x = images(1);
    tf.tidy(() => {
      model.train(x);
      const seen: [NetworkLayer, number[], number[], number][] = [];
      const scores = model.walk(x, (layer, input, output) => {
        seen.push([layer, input.shape, output.shape, tf.min(output).dataSync()[0]!]);
      });
      expect(valuesOf(scores)).toEqual(valuesOf(model.predict(x)));
      expect(seen.map(([layer]) => layer.name)).toEqual(
        networkOf(layers, {}, shape, 4).layers.map(({ name }) => name),
      );
      for (const [layer, input, output] of seen) {
        expect(input).toEqual([6, ...layer.inputShape]);
        expect(output).toEqual([6, ...layer.outputShape]);
      }
      // Before batch normalisation and ReLU: some are negative.
      for (const [layer, , , least] of seen) if (layer.type === 'conv') expect(least).toBeLessThan(0);
    });
    x.dispose();
  });

  test('a few steps of descent lower the loss, in every trained tensor and running average', () => {
    const model = modelOf();
    const x = images(2, 8);
    const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 3, 0, 1, 2, 3], 'int32'), 4);
    const before = new Map([...model.tensors].map(([name, variable]) => [name, valuesOf(variable)]));
    const losses: number[] = [];
    for (let step = 0; step < 15; step++) {
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(
          () => tf.losses.softmaxCrossEntropy(labels, model.train(x)),
          model.trainable.map(({ variable }) => variable),
        );
        losses.push(value.dataSync()[0]!);
        for (const { variable } of model.trainable)
          variable.assign(tf.sub(variable, tf.mul(grads[variable.name]!, 0.1)));
      });
    }
    expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]!);
    for (const [name, variable] of model.tensors) {
      if (name === 'conv3/k_root') expect(valuesOf(variable)).toEqual(before.get(name));
      else expect(valuesOf(variable), name).not.toEqual(before.get(name));
    }
    tf.dispose([x, labels]);
  });

  test('project gives decoupled filters the norm √(‖w‖²/(‖w‖² + 1e-4)) and leaves the rest', () => {
    const model = modelOf();
    const kernelOf = (name: string): Float64Array => valuesOf(model.tensors.get(name)!);
    const old = kernelOf('first/kernel');
    const plain = kernelOf('conv2/kernel');
    const squares = [0, 1, 2, 3].map((filter) =>
      old.reduce((sum, value, index) => (index % 4 === filter ? sum + value * value : sum), 0),
    );
    model.project();
    const expected = old.map((value, index) => value / Math.sqrt(squares[index % 4]! + 1e-4));
    expectClose(model.tensors.get('first/kernel')!, expected, 1e-6, 'kernel');
    expect(kernelOf('conv2/kernel')).toEqual(plain);
    model.tensors.get('first/kernel')!.assign(tensorOf(old, [3, 3, 1, 4]));
    model.project(2);
    expectClose(
      model.tensors.get('first/kernel')!,
      expected.map((value) => 2 * value),
      1e-6,
      'kernel × 2',
    );
  });

  test('tells each decoupled layer’s parameters per filter', () => {
    const model = modelOf();
    const [first, third] = model.decoupled;
    expect(model.decoupled.map(({ layer }) => layer.name)).toEqual(['first', 'conv3']);
    tf.tidy(() => model.train(images(3)));
    const mean = model.tensors.get('first/mean_patch_norm')!.dataSync()[0]!;
    expect(mean).not.toBe(1);
    expect(first!.meanPatchNorm()).toBe(mean);
    expect(first!.rho()).toHaveLength(4);
    for (const R of first!.radius()) expect(R).toBeCloseTo(mean, 5);
    expect(first!.k()).toHaveLength(0);
    for (const R of [...third!.rho(), ...third!.radius()]) expect(R).toBeCloseTo(1.5, 5);
    expect(third!.radius()).toHaveLength(5);
    for (const k of third!.k()) expect(k).toBeCloseTo(0.3, 6);
    expect(third!.k()).toHaveLength(5);
    expect(third!.meanPatchNorm()).toBeNaN();
  });

  test('leaves no tensor behind, and disposes of all its own', () => {
    const x = images(4);
    const before = tf.memory().numTensors;
    const model = buildModel(networkOf(layers, {}, shape, 4), options);
    expectNoLeak(() => {
      model.predict(x).dispose();
      model.train(x).dispose();
      model.walk(x, () => tf.zeros([3])).dispose();
      model.project();
      for (const each of model.decoupled) [each.rho(), each.radius(), each.k(), each.meanPatchNorm()];
      const { value, grads } = tf.variableGrads(
        () => tf.sum(model.train(x)) as tf.Scalar,
        model.trainable.map(({ variable }) => variable),
      );
      tf.dispose([value, grads]);
    });
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
  });

  test(`the same on ${testBackend} and cpu`, async () => {
    const results: Float64Array[] = [];
    for (const backend of ['cpu', testBackend] as const) {
      await startBackend(backend);
      const model = buildModel(networkOf(sampleLayers), options);
      tf.tidy(() => {
        const x = tensorOf<tf.Rank.R4>(randomValues(5, 2 * 28 * 28), [2, 28, 28, 1]);
        const { value, grads } = tf.variableGrads(
          () => tf.sum(tf.square(model.train(x))),
          model.trainable.map(({ variable }) => variable),
        );
        const all = [
          value,
          ...model.trainable.map(({ variable }) => grads[variable.name]!),
          model.predict(x),
        ];
        results.push(Float64Array.from(all.flatMap((tensor) => [...tensor.dataSync()])));
      });
      model.dispose();
    }
    expectClose(tf.tensor1d(Float32Array.from(results[1]!)), results[0]!, 1e-4, 'loss, gradients and scores');
  });
});
