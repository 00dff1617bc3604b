import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ImageShape, resolveNetwork } from '../../../src/core/config/network.js';
import { parameterCount } from '../../../src/core/config/parameters.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';
import { pass } from '../../../src/engine/training/step.js';
import { testBackends } from '../backends.js';
import { randomValues, sizeOf, tensorOf } from '../tensors.js';

const classes = 4;
const presets: readonly [object, ImageShape][] = [
  [{ preset: 'cnn-9', widths: [4, 6, 8], features: 8 }, [16, 16, 3]],
  [{ preset: 'cnn-9', widths: [4, 6, 8], features: 8, batchNorm: false, activation: 'prelu' }, [16, 16, 3]],
  [{ preset: 'resnet-32', widths: [4, 6, 8], units: [2, 1, 2] }, [16, 16, 3]],
  [{ preset: 'resnet-18', widths: [4, 4, 6, 6], units: [1, 1, 1, 1] }, [32, 32, 3]],
  [{ preset: 'mnist-2d', widths: [4, 6, 8] }, [24, 24, 1]],
];
/** Of one width, for what is slow: a simulated GPU, which compiles a kernel for each shape, and the reference. */
const narrow: readonly [object, ImageShape][] = [
  [{ preset: 'cnn-9', widths: [4, 4, 4], features: 4 }, [8, 8, 3]],
  [{ preset: 'resnet-32', widths: [4, 4, 4], units: [1, 1, 1] }, [8, 8, 3]],
  [{ preset: 'resnet-18', widths: [4, 4, 4, 4], units: [1, 1, 1, 1] }, [16, 16, 3]],
  [{ preset: 'mnist-2d', widths: [4, 4, 4] }, [24, 24, 1]],
];

describe.each(testBackends)('presets on %s', { timeout: 180_000 }, (backend) => {
  const isSlow = backend === 'webgpu' || backend === 'cpu';
  const kinds = isSlow ? (['decoupled'] as const) : (['decoupled', 'plain'] as const);
  const cases = (isSlow ? narrow : presets).flatMap(([layers, shape]) =>
    kinds.map((kind) => [JSON.stringify(layers), kind, layers, shape] as const),
  );
  /** The last one's loss is seen only. */
  const passes = isSlow ? 2 : 6;

  beforeAll(async () => {
    await startBackend(backend);
  });

  it.each(cases)('%s, %s, takes a step that lowers its loss', (_, kind, layers, shape) => {
    const operator = kind === 'plain' ? 'inner-product' : {};
    const config = configSchema.parse({ data: { dataset: 'fashion-mnist-sample' }, operator, layers });
    const { network, problems } = resolveNetwork(config, { shape, classes });
    expect(problems).toEqual([]);
    const model = buildModel(network!, { seed: 1, averageDecay: 0.9 });
    expect(model.parameterCount).toBe(network!.layers.map(parameterCount).reduce((a, b) => a + b));
    const optimizer = createOptimizer(config.optimizer, model.trainable);
    const x = tensorOf<tf.Rank.R4>(randomValues(2, 8 * sizeOf(shape)), [8, ...shape]);
    const labels = tf.tensor1d([0, 1, 2, 3, 0, 1, 2, 3], 'int32');
    const losses: number[] = [];
    for (let step = 0; step < passes; step++) {
      const { outcome, gradients } = pass(model, x, labels, classes, config);
      losses.push(outcome.dataSync()[0]!);
      optimizer.apply(gradients, 3e-3);
      tf.dispose([outcome, ...gradients]);
    }
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    tf.dispose([x, labels]);
    optimizer.dispose();
    model.dispose();
  });
});
