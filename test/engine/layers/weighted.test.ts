import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OperatorInput } from '../../../src/core/config/operatorSchema.js';
import { resolveOperator } from '../../../src/core/operator/operator.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { DecoupledDense } from '../../../src/engine/layers/decoupledDenseLayer.js';
import { variableOf } from '../../../src/engine/layers/layerWeights.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { factorsOf } from '../../../src/engine/verdict/factors.js';
import { testBackend } from '../backends.js';
import { networkOf } from '../model/sampleNetwork.js';
import { decoupled, type Problem, weighted } from '../operator/oracle.js';
import { expectClose, expectNoLeak, randomValues, tensorOf } from '../tensors.js';

const [batch, features, units] = [7, 6, 4];
const x = randomValues(1, batch * features);
const upstream = randomValues(2, batch * units);

beforeAll(async () => {
  await startBackend(testBackend);
});

const operators: OperatorInput[] = [];
for (const weighting of ['none', 'linear', 'joint-tanh', 'separate-tanh'] as const)
  for (const radius of ['adaptive', 'fixed'] as const)
    for (const learned of ['per-filter', 'per-layer'] as const)
      operators.push({ weighting, radius, angular: 'sigmoid', learnRho: learned, learnK: learned, rho: 0.9 });
operators.push({ magnitude: 'seg', weighting: 'linear', angular: 'square-cosine', exponent: 3 });
operators.push({ magnitude: 'linear', angular: 'square-cosine', exponent: 1.5 });

/** A layer with weights that differ, and the same in float64. */
function layerOf(input: OperatorInput) {
  const operator = resolveOperator(input);
  const layer = new DecoupledDense({ units, operator, averageDecay: 0.9, seed: 5 });
  layer.build([null, features]);
  const values: Record<string, Float64Array> = {};
  for (const [i, weight] of layer.weights.entries()) {
    const name = weight.originalName.split('/').at(-1)!;
    const variable = variableOf(weight);
    if (name.startsWith('mean')) continue;
    const moved = name === 'kernel' ? [-1, 1] : [0.6, 1.2];
    values[name] = randomValues(10 + i, variable.size, ...(moved as [number, number]));
    variable.assign(tensorOf(values[name], variable.shape));
  }
  return { operator, layer, values };
}

/** The layer in training, in float64: R is ρ times the batch's mean norm where it is adaptive. */
function oracle(input: OperatorInput, values: Readonly<Record<string, Float64Array>>): Float64Array {
  const operator = resolveOperator(input);
  const problem: Problem = {
    ...operator,
    xShape: [batch, 1, 1, features],
    wShape: [1, 1, features, units],
    stride: 1,
    padding: 'valid',
  };
  const norms = Array.from({ length: batch }, (_, n) =>
    Math.sqrt(x.slice(n * features, (n + 1) * features).reduce((sum, v) => sum + v * v, 1e-4)),
  );
  const mean = norms.reduce((a, b) => a + b, 0) / batch;
  const rho = values.rho_root?.map((r) => r * r + 1e-4) ?? Float64Array.of(1);
  return decoupled(problem, {
    x,
    w: values.kernel!,
    rho,
    radius: rho.map((value) => value * (operator.radius === 'adaptive' ? mean : 1)),
    k: values.k_root?.map((r) => Math.abs(r) + 0.05) ?? Float64Array.of(1),
  });
}

describe('DecoupledDense', () => {
  test.each(operators)('%o: output and the gradients to all it learns agree with float64', (input) => {
    const { layer, values } = layerOf(input);
    tf.tidy(() => {
      const images = tensorOf<tf.Rank.R2>(x, [batch, features]);
      const call = (): tf.Tensor => layer.call(images, { training: true });
      const y = call();
      expect(y.shape).toEqual([batch, units]);
      expectClose(y, oracle(input, values), 2e-5, 'y');
      const weights = layer.weights.filter(({ trainable }) => trainable).map(variableOf);
      const { grads } = tf.variableGrads(
        () => tf.sum(tf.mul(call(), tensorOf(upstream, [batch, units]))) as tf.Scalar,
        weights,
      );
      const loss = (moved: Readonly<Record<string, Float64Array>>): number =>
        oracle(input, moved).reduce((sum, value, i) => sum + value * upstream[i]!, 0);
      for (const weight of layer.weights.filter(({ trainable }) => trainable)) {
        const name = weight.originalName.split('/').at(-1)!;
        const slopes = values[name]!.map((value, i) => {
          const at = (by: number): number =>
            loss({ ...values, [name]: values[name]!.map((v, j) => (j === i ? value + by : v)) });
          return (at(1e-6) - at(-1e-6)) / 2e-6;
        });
        expectClose(grads[variableOf(weight).name]!, slopes, 1e-4, `gradient to ${name}`, 0.1);
      }
    });
  });

  test('leaves no tensor behind', () => {
    const { layer } = layerOf({ weighting: 'joint-tanh' });
    const images = tensorOf<tf.Rank.R2>(x, [batch, features]);
    expectNoLeak(() => {
      let kept: tf.Tensor | undefined;
      const onProjection = (tensor: tf.Tensor): void => {
        kept = tf.keep(tf.clone(tensor));
      };
      layer.call(images, { training: true, onProjection }).dispose();
      expect(kept!.shape).toEqual([batch, units]);
      kept!.dispose();
    });
    images.dispose();
  });
});

describe('a network of weighted and dense decoupled layers', () => {
  const layers = [
    { type: 'conv', filters: 3, name: 'joint', operator: { weighting: 'joint-tanh', rho: 0.7 } },
    { type: 'conv', filters: 4, name: 'linear', operator: { magnitude: 'mix', weighting: 'linear' } },
    {
      type: 'conv',
      filters: 3,
      name: 'bcos',
      operator: { magnitude: 'linear', angular: 'square-cosine', exponent: 3 },
    },
    { type: 'flatten' },
    {
      type: 'dense',
      units: 5,
      name: 'separate',
      operator: { weighting: 'separate-tanh', radius: 'fixed', rho: 1.3 },
    },
    { type: 'dense', units: 4, name: 'scores', operator: { angular: 'linear' } },
  ];

  test('has h and g whose product is what it computes, with h as the paper has it', () => {
    const model = buildModel(networkOf(layers, {}, [5, 5, 1], 4), { seed: 3, averageDecay: 0.9 });
    expect(model.decoupled.map(({ layer }) => layer.name)).toEqual([
      'joint',
      'linear',
      'bcos',
      'separate',
      'scores',
    ]);
    expect(model.trainable.filter(({ name }) => name.endsWith('kernel')).map(({ decay }) => decay)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
    tf.tidy(() => {
      const images = tensorOf<tf.Rank.R4>(randomValues(4, 6 * 25), [6, 5, 5, 1]);
      model.train(images);
      model.walk(images, (layer, input, output) => {
        if (layer.type !== 'conv' && layer.type !== 'dense') return;
        const { h, g, norms } = factorsOf(model, layer, input);
        expectClose(tf.mul(h, g), Float64Array.from(output.dataSync()), 1e-5, layer.name);
        const filters = layer.outputShape.at(-1)!;
        const kernel = [...model.tensors.get(`${layer.name}/kernel`)!.dataSync()];
        const lengths = Array.from({ length: filters }, (_, f) =>
          Math.sqrt(kernel.reduce((sum, w, i) => (i % filters === f ? sum + w * w : sum), 1e-4)),
        );
        const { radius, rho } = layer.operator!;
        const mean =
          radius === 'adaptive'
            ? (model.tensors.get(`${layer.name}/mean_patch_norm`)?.dataSync()[0] ?? 1)
            : 1;
        const R = rho * mean;
        const problem = { ...layer.operator! } as unknown as Problem;
        const expected = [...norms.dataSync()].flatMap((n) =>
          lengths.map((w) => weighted(problem, n, w, R, rho)),
        );
        expectClose(tf.mul(h, tf.onesLike(g)), Float64Array.from(expected), 1e-5, `h of ${layer.name}`);
        if (layer.name !== 'joint') return;
        const inUse = model.decoupled[0]!.radius();
        expectClose(
          tf.tensor1d(inUse),
          Float64Array.from(lengths, (w) => R / w),
          1e-5,
          'radius in use',
        );
      });
    });
    model.project(2);
    const kernel = model.tensors.get('separate/kernel')!.dataSync();
    const length = Math.sqrt([...kernel].reduce((sum, w, i) => (i % 5 === 0 ? sum + w * w : sum), 0));
    expect(length).toBeCloseTo(2, 3);
    model.dispose();
  });
});
