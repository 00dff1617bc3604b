import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveNetwork } from '../../../src/core/config/network.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { evaluateSplit } from '../../../src/engine/training/evaluate.js';
import { pass } from '../../../src/engine/training/step.js';
import { testBackend } from '../backends.js';

/** Softmax regression: the whole of it is a few lines of float64. */
const features = 6;
const classes = 3;
const pixels = [
  [0, 50, 100, 150, 200, 250],
  [255, 10, 30, 80, 0, 90],
  [5, 5, 200, 5, 60, 1],
  [120, 130, 140, 150, 160, 170],
];
const labels = [2, 0, 1, 1];
const x = pixels.map((row) => row.map((v) => (v - 127.5) / 128));

let model: DcnetModel;
let weights: number[][];

beforeAll(async () => {
  await startBackend(testBackend);
  const config = configSchema.parse({
    data: { idx: '.' },
    layers: [{ type: 'flatten' }, { type: 'dense', units: classes }],
  });
  const { network } = resolveNetwork(config, { shape: [2, 3, 1], classes });
  model = buildModel(network!, { seed: 5, averageDecay: 0.9 });
  weights = model.tensors.get('dense1/kernel')!.arraySync() as number[][];
});

function probabilities(row: readonly number[]): number[] {
  const scores = Array.from({ length: classes }, (_, c) =>
    row.reduce((sum, v, i) => sum + v * weights[i]![c]!, 0),
  );
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  return scores.map((score) => Math.exp(score) / total);
}

describe('one pass', () => {
  it.each([
    [0, 0, 0],
    [0.1, 0, 0],
    [0, 0.5, 0],
    [0.2, 0.03, 0],
    [0, 0, 0.05],
    [0.01, 0.03, 1e-4],
  ])(
    'with label smoothing %d, weight decay %d and ε %d has the loss and gradient of its formula',
    (labelSmoothing, weightDecay, epsilon) => {
      const targets = labels.map((label) =>
        Array.from(
          { length: classes },
          (_, c) => (c === label ? 1 - labelSmoothing : 0) + labelSmoothing / classes,
        ),
      );
      const p = x.map(probabilities);
      const loss =
        p.reduce(
          (sum, row, n) => sum - row.reduce((s, q, c) => s + targets[n]![c]! * Math.log(q + epsilon), 0),
          0,
        ) / 4;
      // ∂/∂z_c of −Σ t·log(p + ε) is p_c·Σ s − s_c with s = t·p/(p + ε), which is p_c − t_c where ε = 0.
      const byLogit = p.map((row, n) => {
        const s = row.map((q, c) => (targets[n]![c]! * q) / (q + epsilon));
        const total = s.reduce((a, b) => a + b, 0);
        return row.map((q, c) => q * total - s[c]!);
      });
      const gradient = weights.map((row, i) =>
        row.map(
          (w, c) => x.reduce((sum, image, n) => sum + (image[i]! * byLogit[n]![c]!) / 4, 0) + weightDecay * w,
        ),
      );
      const right = p.filter((row, n) => row.indexOf(Math.max(...row)) === labels[n]).length;

      const before = tf.memory().numTensors;
      const images = tf.tensor4d(x.flat(), [4, 2, 3, 1]);
      const answers = tf.tensor1d(labels, 'int32');
      const { outcome, gradients } = pass(model, images, answers, classes, {
        labelSmoothing,
        weightDecay,
        loss: { epsilon },
      });
      expect([...outcome.dataSync()]).toEqual([expect.closeTo(loss, 5), right]);
      const measured = gradients[0]!.arraySync() as number[][];
      for (let i = 0; i < features; i++)
        for (let c = 0; c < classes; c++) expect(measured[i]![c]).toBeCloseTo(gradient[i]![c]!, 5);
      tf.dispose([images, answers, outcome, ...gradients]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

describe('an evaluation', () => {
  it('has the loss, the accuracy and the classes of its formula', async () => {
    const split = { count: 4, images: Uint8Array.from(pixels.flat()), labels: Uint8Array.from(labels) };
    const data = { info: { shape: [2, 3, 1], classes }, train: split, test: split } as unknown as DataSet;
    const p = x.map(probabilities);
    const right = p.map((row, n) => row.indexOf(Math.max(...row)) === labels[n]);
    const result = await evaluateSplit(model, data, 'test');
    expect(result.sampleSize).toBe(4);
    expect(result.loss).toBeCloseTo(p.reduce((sum, row, n) => sum - Math.log(row[labels[n]!]!), 0) / 4, 5);
    expect(result.accuracy).toBe(right.filter((is) => is).length / 4);
    expect(result.imagesOfClass).toEqual([1, 2, 1]);
    expect(result.correctOfClass).toEqual(
      [0, 1, 2].map((label) => right.filter((is, n) => is && labels[n] === label).length),
    );
  });
});
