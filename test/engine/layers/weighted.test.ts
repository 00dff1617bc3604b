import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OperatorInput } from '../../../src/core/config/operatorSchema.js';
import { resolveOperator } from '../../../src/core/operator/operator.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { DecoupledDense } from '../../../src/engine/layers/decoupledDenseLayer.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { factorsOf } from '../../../src/engine/verdict/factors.js';
import { testBackend } from '../backends.js';
import { networkOf } from '../model/sampleNetwork.js';
import { type Problem, weighted } from '../operator/oracle.js';
import { expectClose, expectNoLeak, randomValues, tensorOf } from '../tensors.js';
import { checkAgainstFloat64, type Layer } from './layerOracle.js';

const [batch, features, units] = [7, 6, 4];

beforeAll(async () => {
  await startBackend(testBackend);
});

/** Radii among the norms of the input. */
const rhoOf = { adaptive: 0.9, fixed: 1.4 };
const operators: OperatorInput[] = [];
for (const weighting of ['none', 'linear', 'joint-tanh', 'separate-tanh'] as const)
  for (const radius of ['adaptive', 'fixed'] as const)
    for (const learned of ['per-filter', 'per-layer'] as const)
      operators.push({
        weighting,
        radius,
        angular: 'sigmoid',
        learnRho: learned,
        learnK: learned,
        rho: rhoOf[radius],
      });
for (const magnitude of ['ball', 'seg'] as const)
  for (const radius of ['adaptive', 'fixed'] as const)
    operators.push({ magnitude, radius, angular: 'sigmoid', learnK: 'per-filter', rho: rhoOf[radius] });
operators.push({ magnitude: 'seg', weighting: 'linear', angular: 'square-cosine', exponent: 3 });
operators.push({ magnitude: 'linear', angular: 'square-cosine', exponent: 1.5 });

function layerOf(input: OperatorInput): Layer {
  const operator = resolveOperator(input);
  const layer = new DecoupledDense({ units, operator, averageDecay: 0.9, seed: 5 });
  layer.build([null, features]);
  const [xShape, wShape] = [
    [batch, 1, 1, features],
    [1, 1, features, units],
  ] as const;
  return { layer, operator, windows: { xShape, wShape, stride: 1, padding: 'valid' } };
}

describe('DecoupledDense', () => {
  test.each(operators)(
    '%o: output and the gradients to its input and all it learns agree with float64',
    (input) => {
      const tested = layerOf(input);
      expect(tested.layer.computeOutputShape([batch, features])).toEqual([batch, units]);
      checkAgainstFloat64(tested, [batch, features]);
    },
  );

  test('leaves no tensor behind', () => {
    const { layer } = layerOf({ weighting: 'joint-tanh' });
    const images = tensorOf<tf.Rank.R2>(randomValues(1, batch * features), [batch, features]);
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
