import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parameterCount } from '../../../src/core/config/parameters.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { transplant } from '../../../src/engine/verdict/transplant.js';
import { testBackends } from '../backends.js';
import { expectClose, expectNoLeak, randomValues, tensorOf } from '../tensors.js';
import { networkOf } from './sampleNetwork.js';

const options = { seed: 1, averageDecay: 0.9 };
const shape = [3, 3, 2] as const;
/** 1×1 windows throughout, so that a few loops in float64 are the whole network. */
const tiny = [
  {
    type: 'conv',
    name: 'a',
    kernel: 1,
    filters: 2,
    batchNorm: false,
    activation: 'prelu',
    operator: 'inner-product',
  },
  {
    type: 'conv',
    name: 'b',
    kernel: 1,
    stride: 2,
    filters: 3,
    batchNorm: false,
    activation: 'none',
    operator: 'inner-product',
  },
  { type: 'add', from: 'a', projection: true, batchNorm: false, activation: 'prelu' },
  { type: 'flatten' },
  { type: 'dense', name: 'c', units: 4, activation: 'prelu' },
  { type: 'dense', name: 'd', units: 4, activation: 'none' },
  { type: 'add', name: 'flat', from: 'c', activation: 'relu' },
  { type: 'dense', units: 3 },
];
/** Every part that an addition may have, decoupled and deep enough that one crosses another. */
const crossing = [
  { type: 'conv', filters: 4 },
  { type: 'conv', filters: 4, activation: 'none' },
  { type: 'add', from: 'conv1' },
  { type: 'conv', filters: 6, stride: 2, activation: 'prelu' },
  { type: 'conv', filters: 6, activation: 'none' },
  { type: 'add', from: 'add1', projection: true },
  { type: 'add', from: 'conv3', activation: 'prelu' },
  { type: 'add', from: 'conv1', projection: true, batchNorm: false, activation: 'none' },
  { type: 'global-average-pool' },
  { type: 'dense', units: 3 },
];

type Weights = Readonly<Record<string, Float64Array>>;

/** Σ scores² of {@link tiny} in float64. */
function lossOf(weights: Weights, images: Float64Array, count: number): { loss: number; scores: number[] } {
  const w = (name: string): Float64Array => weights[name]!;
  const linear = (x: readonly number[], kernel: Float64Array, units: number): number[] =>
    Array.from({ length: units }, (_, f) =>
      x.reduce((sum, value, i) => sum + value * kernel[i * units + f]!, 0),
    );
  const prelu = (x: readonly number[], slopes: Float64Array): number[] =>
    x.map((value, f) => (value > 0 ? value : slopes[f]! * value));
  const scores: number[] = [];
  for (let n = 0; n < count; n++) {
    const at = (row: number, column: number): number[] =>
      [0, 1].map((channel) => images[((n * 3 + row) * 3 + column) * 2 + channel]!);
    const sums: number[] = [];
    for (const row of [0, 2])
      for (const column of [0, 2]) {
        const a = prelu(linear(at(row, column), w('a/kernel'), 2), w('a/prelu/alpha'));
        const b = linear(a, w('b/kernel'), 3);
        const shortcut = linear(a, w('add1/projection/kernel'), 3);
        sums.push(
          ...prelu(
            b.map((value, f) => value + shortcut[f]!),
            w('add1/prelu/alpha'),
          ),
        );
      }
    const c = prelu(linear(sums, w('c/kernel'), 4), w('c/prelu/alpha'));
    const d = linear(c, w('d/kernel'), 4).map((value, f) => Math.max(0, value + c[f]!));
    scores.push(...linear(d, w('dense3/kernel'), 3));
  }
  return { scores, loss: scores.reduce((sum, score) => sum + score * score, 0) };
}

describe.each(testBackends)('residual connections and PReLU on %s', (backend) => {
  const made: DcnetModel[] = [];
  const modelOf = (
    layers: readonly object[],
    size: readonly [number, number, number] = shape,
  ): DcnetModel => {
    const model = buildModel(networkOf(layers, {}, size, 3), options);
    made.push(model);
    return model;
  };
  beforeEach(async () => {
    await startBackend(backend);
  });
  afterEach(() => {
    for (const model of made.splice(0)) model.dispose();
  });

  it('compute scores and gradients of the network written out in float64', () => {
    const model = modelOf(tiny);
    const values = randomValues(3, 5 * 18);
    const x = tensorOf<tf.Rank.R4>(values, [5, ...shape]);
    for (const [i, { name, variable }] of model.trainable.entries())
      if (name.endsWith('alpha'))
        variable.assign(tensorOf(randomValues(i, variable.size, 0.1, 0.6), variable.shape));
    const weights = Object.fromEntries(
      model.trainable.map(({ name, variable }) => [name, Float64Array.from(variable.dataSync())]),
    );
    const { scores } = lossOf(weights, values, 5);
    expectClose(model.predict(x), Float64Array.from(scores), 1e-5, 'scores');
    const { grads } = tf.variableGrads(
      () => tf.sum(tf.square(model.train(x))),
      model.trainable.map(({ variable }) => variable),
    );
    const step = 1e-6;
    for (const { name, variable } of model.trainable) {
      const differences = weights[name]!.map((value, i) => {
        const moved = (by: number): number => {
          const other = weights[name]!.slice();
          other[i] = value + by;
          return lossOf({ ...weights, [name]: other }, values, 5).loss;
        };
        return (moved(step) - moved(-step)) / (2 * step);
      });
      expectClose(grads[variable.name]!, differences, 1e-4, name);
    }
    tf.dispose([x, grads]);
  });

  it('name, count and decay their tensors: projections decay, slopes do not', () => {
    const network = networkOf(crossing, {}, [8, 8, 2], 3);
    const model = modelOf(crossing, [8, 8, 2]);
    const names = [...model.tensors.keys()];
    expect(names.filter((name) => name.startsWith('add2'))).toEqual([
      'add2/projection/kernel',
      'add2/projection/batch_norm/gamma',
      'add2/projection/batch_norm/beta',
      'add2/projection/batch_norm/moving_mean',
      'add2/projection/batch_norm/moving_variance',
      'add2/projection/batch_norm/average_weight',
    ]);
    expect(names.filter((name) => /^add[134]/.test(name))).toEqual([
      'add3/prelu/alpha',
      'add4/projection/kernel',
    ]);
    const decays = (name: string) => model.trainable.find((tensor) => tensor.name === name)?.decay;
    expect(decays('add2/projection/kernel')).toBe(true);
    expect(decays('add2/projection/batch_norm/gamma')).toBe(true);
    expect(decays('conv3/prelu/alpha')).toBe(false);
    expect([...model.tensors.get('conv3/prelu/alpha')!.dataSync()]).toEqual(Array(6).fill(0.25));
    const steep = crossing.map((layer) =>
      'activation' in layer && layer.activation === 'prelu' ? { ...layer, initialSlope: 0.5 } : layer,
    );
    for (const name of ['conv3', 'add3'])
      expect([...modelOf(steep, [8, 8, 2]).tensors.get(`${name}/prelu/alpha`)!.dataSync()]).toEqual(
        Array(6).fill(0.5),
      );
    expect(network.layers.map(parameterCount).reduce((a, b) => a + b)).toBe(model.parameterCount);
  });

  it('run on from every layer with what additions read, and not without', () => {
    const model = modelOf(crossing, [8, 8, 2]);
    const x = tensorOf<tf.Rank.R4>(randomValues(7, 4 * 128), [4, 8, 8, 2]);
    tf.tidy(() => {
      model.train(x);
      const expected = Float64Array.from(model.predict(x).dataSync());
      const walked = model.walk(x, (layer, _input, output, { earlier }) => {
        const scores = model.runOn(layer.name, output, earlier);
        expectClose(scores, expected, 1e-6, layer.name);
        const needed: Record<string, string[]> = {
          conv2: ['conv1'],
          add1: ['conv1'],
          conv3: ['conv1', 'add1'],
          conv4: ['conv1', 'add1', 'conv3'],
          add2: ['conv1', 'add1', 'conv3'],
          add3: ['conv1', 'conv3'],
          add4: ['conv1'],
        };
        expect([...earlier.keys()].sort(), layer.name).toEqual((needed[layer.name] ?? []).sort());
        if (layer.name === 'conv4')
          expect(() => model.runOn(layer.name, output)).toThrow(
            'add2 adds the response of add1, which is not there',
          );
      });
      expectClose(walked, expected, 1e-6, 'walk');
    });
    x.dispose();
  });

  it('carry the image’s own features past a transplant', () => {
    const model = modelOf(
      crossing.map((layer) => ({ ...layer, ...('filters' in layer ? { batchNorm: false } : {}) })),
      [8, 8, 2],
    );
    const [images, donors] = [11, 12].map((seed) =>
      tensorOf<tf.Rank.R4>(randomValues(seed, 3 * 128), [3, 8, 8, 2]),
    ) as [tf.Tensor4D, tf.Tensor4D];
    // Filters of zeros give nothing, from whomever: all that is left of an image are its residual connections.
    const kernel = model.tensors.get('conv4/kernel')!;
    tf.tidy(() => kernel.assign(tf.zeros(kernel.shape)));
    tf.tidy(() => {
      const own = Float64Array.from(model.predict(images).dataSync());
      const [outcome] = transplant(model, images, donors, new Set(['conv4']));
      expectClose(tf.tensor1d(outcome!.norm), own, 1e-5, 'norm');
      expectClose(tf.tensor1d(outcome!.angle), own, 1e-5, 'angle');
      const others = model.predict(donors).dataSync();
      expect(Math.abs(others[0]! - own[0]!)).toBeGreaterThan(1e-3);
    });
    tf.dispose([images, donors]);
  });

  it('leave no tensor behind, and hold no more of a deep network than its additions need', () => {
    const model = modelOf(crossing, [8, 8, 2]);
    const x = tensorOf<tf.Rank.R4>(randomValues(8, 2 * 128), [2, 8, 8, 2]);
    expectNoLeak(() => {
      model.predict(x).dispose();
      model.train(x).dispose();
      model.walk(x, () => {}).dispose();
      const { value, grads } = tf.variableGrads(() => tf.sum(model.train(x)));
      tf.dispose([value, grads]);
      tf.grad((input) => tf.sum(model.predict(input as tf.Tensor4D)))(x).dispose();
    });
    const deep = modelOf([
      ...Array.from({ length: 12 }, () => ({ type: 'conv', filters: 2 })),
      { type: 'flatten' },
      { type: 'dense', units: 3 },
    ]);
    const images = tensorOf<tf.Rank.R4>(randomValues(9, 36), [2, ...shape]);
    const held: number[] = [];
    deep.walk(images, () => void held.push(tf.memory().numTensors)).dispose();
    expect(held[11]).toBe(held[1]);
    tf.dispose([x, images]);
  });
});
