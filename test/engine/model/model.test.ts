import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { buildModel } from '../../../src/engine/model/model.js';
import { networkOf, sampleLayers } from './sampleNetwork.js';

beforeAll(async () => {
  await startBackend('wasm');
});

describe('buildModel', () => {
  test('x', () => {
    const model = buildModel(networkOf(sampleLayers), { seed: 1, averageDecay: 0.99 });
    console.log(
      [...model.tensors.keys()],
      model.parameterCount,
      model.trainable.map((t) => [t.name, t.decay]),
    );
    const x = tf.randomUniform<tf.Rank.R4>([8, 28, 28, 1]);
    const y = tf.oneHot(tf.tensor1d([0, 1, 2, 3, 4, 5, 6, 7], 'int32'), 10);
    const opt = tf.train.adam(0.001);
    for (let i = 0; i < 20; i++) {
      const before = tf.memory().numTensors;
      const { value, grads } = tf.variableGrads(
        () => tf.losses.softmaxCrossEntropy(y, model.train(x)),
        model.trainable.map((t) => t.variable),
      );
      opt.applyGradients(grads);
      if (i % 5 === 0) console.log(value.dataSync()[0]);
      tf.dispose(value);
      tf.dispose(grads);
      if (i > 0) expect(tf.memory().numTensors).toBe(before);
    }
    console.log(model.decoupled.map((d) => [d.meanPatchNorm(), d.radius().slice(0, 3)]));
  });
});
