import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
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

  /** Image i has the scores of row i. */
  const scoredAs = async (rows: readonly (readonly number[])[], of: readonly number[]) => {
    const table = tf.tensor2d(rows.map((row) => [...row]));
    const scorer = {
      ...model,
      normalization: { mean: [0], scale: [1] },
      predict: (x: tf.Tensor4D) =>
        tf.gather(table, tf.cast(tf.reshape(x, [-1]), 'int32')) as unknown as tf.Tensor2D,
    };
    const all = {
      count: rows.length,
      images: Uint8Array.from(rows, (_, i) => i),
      labels: Uint8Array.from(of),
    };
    const info = { shape: [1, 1, 1], classes: rows[0]!.length };
    try {
      return await evaluateSplit(scorer, { info, train: all, test: all } as unknown as DataSet, 'test');
    } finally {
      table.dispose();
    }
  };

  it('counts a class among the five of most, of equal scores the first ones', async () => {
    const falling = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
    const equal = new Array<number>(10).fill(0.5);
    const rows = [falling, falling, falling, equal, equal, equal, falling.toReversed()];
    const { accuracy, top5Accuracy } = await scoredAs(rows, [0, 4, 5, 3, 4, 5, 4]);
    expect(accuracy).toBe(1 / 7);
    expect(top5Accuracy).toBe(4 / 7);
  });

  it('counts the top five as sorting does, of ten classes or more', async () => {
    const random = (classes: number) =>
      Array.from({ length: 120 }, (_, i) =>
        Array.from({ length: classes }, (_, c) => ((i * 7919 + c * 104_729) % 23) - 11),
      );
    const of = Array.from({ length: 120 }, (_, i) => (i * 5) % 9);
    const sorted = random(12).filter((row, i) => {
      const order = row.map((score, c) => ({ score, c })).sort((a, b) => b.score - a.score); // stable
      return order.slice(0, 5).some(({ c }) => c === of[i]);
    });
    const { top5Accuracy } = await scoredAs(random(12), of);
    expect(sorted.length).toBeGreaterThan(20);
    expect(sorted.length).toBeLessThan(100);
    expect(top5Accuracy).toBe(sorted.length / 120);
    expect((await scoredAs(random(10), of)).top5Accuracy).toBeDefined();
    expect((await scoredAs(random(9), of)).top5Accuracy).toBeUndefined();
  });

  const count = 1000;
  const split = {
    count,
    images: Uint8Array.from({ length: count * features }, (_, i) => (i * 7919) >> 3),
    labels: Uint8Array.from({ length: count }, (_, i) => i % classes),
  };

  it('queues a batch before it reads the scores of the one before, and leaves nothing when it is given up', async () => {
    const events: string[] = [];
    let [reads, fails] = [0, 0];
    const watched = {
      ...model,
      predict: (images: tf.Tensor4D) => {
        if (++fails === 4) throw new Error('out of memory');
        events.push('queued');
        return model.predict(images);
      },
    };
    const { data: read } = tf.Tensor.prototype;
    const spy = vi.spyOn(tf.Tensor.prototype, 'data').mockImplementation(function (this: tf.Tensor) {
      events.push('read');
      reads++;
      return Reflect.apply(read, this, []) as never;
    });
    const data = { info: { shape: [2, 3, 1], classes }, train: split, test: split } as unknown as DataSet;
    const before = tf.memory().numTensors;
    try {
      await expect(evaluateSplit(watched, data, 'test')).rejects.toThrow('out of memory');
      expect(events).toEqual(['queued', 'queued', 'read', 'queued', 'read']);
      expect(tf.memory().numTensors).toBe(before);
      const abort = new AbortController();
      reads = 0;
      const given = { signal: abort.signal, onProgress: () => void (reads === 2 && abort.abort()) };
      await expect(evaluateSplit(model, data, 'test', given)).rejects.toMatchObject({
        details: { code: 'cancelled' },
      });
      expect(reads).toBe(2);
      expect(tf.memory().numTensors).toBe(before);
    } finally {
      spy.mockRestore();
    }
  });
});
