import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { renormalised } from '../../../src/engine/attack/renormalised.js';
import { measureRobustness, type RobustnessOptions } from '../../../src/engine/attack/robustness.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import { imageTensor } from '../../../src/engine/data/images.js';
import { Engine } from '../../../src/engine/service.js';
import { robustnessReportSchema } from '../../../src/protocol/robustness.js';
import { testBackend } from '../backends.js';
import { randomValues } from '../tensors.js';
import { mediaDirectory, TinyProject } from '../training/support.js';
import { modelOf, type Shape } from './support.js';

const shape: Shape = [6, 6, 1];
const count = 12;
const split = {
  count,
  images: Uint8Array.from(randomValues(4, count * 36, 0, 256)),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 4),
};
const data = { test: split, train: split, info: { shape, classes: 4 } } as unknown as DataSet;
const net = (seed: number) =>
  modelOf([{ type: 'conv', filters: 5 }, { type: 'flatten' }, { type: 'dense', units: 4 }], shape, seed);
const options: RobustnessOptions = {
  attacks: ['fgsm', 'pgd'],
  norm: 'linf',
  epsilons: [0, 16],
  steps: 3,
  restarts: 2,
  targeted: false,
  images: 10,
  seed: 1,
};
const silent = { signal: new AbortController().signal, report: () => {} };

beforeAll(async () => {
  await startBackend(testBackend);
});

describe('a measurement', () => {
  test('is the same in other batches, counts what it says, and leaves no tensor', async () => {
    const [target, source] = [net(1), net(2)];
    const { numTensors } = tf.memory();
    const measured = await measureRobustness(target, source, data, 'test', options, 4, silent);
    expect(tf.memory().numTensors).toBe(numTensors);
    const again = await measureRobustness(target, source, data, 'test', options, 10, silent);
    const counts = ({ curves, ...rest }: typeof measured) => ({
      ...rest,
      curves: curves.map(({ objectives: _, ...curve }) => curve),
    });
    expect(counts(again)).toEqual(counts(measured));
    expect(measured).toMatchObject({ sampleSize: 10, splitSize: 12, zeroGradients: 0 });
    expect(measured.curves.map(({ attack, access }) => `${attack} ${access}`)).toEqual([
      'fgsm white-box',
      'pgd white-box',
      'fgsm transfer',
      'pgd transfer',
    ]);
    for (const { attack, accuracies, objectives } of measured.curves) {
      expect(accuracies[0]).toBe(measured.accuracy); // ε = 0 is no attack
      expect(objectives.map(({ length }) => length)).toEqual(attack === 'fgsm' ? [2, 2] : [4, 4]);
    }
    const predicted = tf.tidy(() => {
      const pixels = Float32Array.from(split.images.subarray(0, 360), (v) => (v - 127.5) / 128);
      const scores = target.predict(tf.tensor4d(pixels, [10, 6, 6, 1]));
      return tf.argMax(scores, 1).arraySync() as number[];
    });
    expect(measured.accuracy).toBe(predicted.filter((cls, i) => cls === i % 4).length / 10);
    expect(measured.curves[1]!.accuracies[1]).toBeLessThanOrEqual(measured.curves[0]!.accuracies[1]!);
    expect(measured.unbounded).toMatchObject({ epsilon: 255, steps: 40, accuracy: 0 });
    target.dispose();
    source.dispose();
  });

  test('transfers from a source that takes other means and scales', () => {
    const own = { mean: [30, 90], scale: [60, 200] };
    const as = { mean: [127.5, 10], scale: [128, 7] };
    const source = {
      ...modelOf([{ type: 'conv', filters: 5 }, { type: 'flatten' }, { type: 'dense', units: 4 }], [6, 6, 2]),
      normalization: own,
    };
    const bytes = Uint8Array.from(randomValues(9, 3 * 72, 0, 256));
    const x = (normalization: typeof own) => imageTensor(bytes, [6, 6, 2], [0, 1, 2], normalization);
    const expected = source.predict(x(own)).dataSync();
    const seen = renormalised(source, as).predict(x(as)).dataSync();
    for (const [i, value] of expected.entries()) expect(seen[i]).toBeCloseTo(value, 4);
    expect(renormalised(source, { ...own })).toBe(source);
    source.dispose();
  });

  test('transfers without the target’s gradients', async () => {
    const [target, source] = [net(1), net(2)];
    let asked = 0;
    const predict = tf.customGrad((x) => ({
      value: target.predict(x as tf.Tensor4D),
      gradFunc: () => {
        asked++;
        return tf.zeros((x as tf.Tensor4D).shape);
      },
    }));
    const spied = { ...target, predict: (x: tf.Tensor4D) => predict(x) as tf.Tensor2D };
    const blind = { ...options, attacks: [] };
    const own = await measureRobustness(spied, source, data, 'test', blind, 10, silent);
    const forFlat = asked; // whether images have a gradient is the one question about the target's
    expect(own.zeroGradients).toBe(1);
    expect(forFlat).toBe(1);
    const whole = await measureRobustness(
      spied,
      source,
      data,
      'test',
      { ...options, attacks: ['fgsm'] },
      10,
      silent,
    );
    expect(asked - forFlat).toBe(1 + options.epsilons.length); // FGSM's own, one for each ε: none for the transfer
    const honest = await measureRobustness(target, source, data, 'test', options, 10, silent);
    expect(whole.curves.find(({ access }) => access === 'transfer')!.accuracies).toEqual(
      honest.curves.find(({ access }) => access === 'transfer')!.accuracies,
    );
    // What hides its gradients seems to withstand: and is found out.
    expect(whole.curves[0]!.accuracies).toEqual([whole.accuracy, whole.accuracy]);
    target.dispose();
    source.dispose();
  });

  test('towards the least likely class counts how many get there', async () => {
    const target = net(1);
    const towards = { ...options, targeted: true, epsilons: [0, 255], steps: 20 };
    const { curves } = await measureRobustness(target, undefined, data, 'test', towards, 10, silent);
    expect(curves[1]!.reached![0]).toBe(0);
    expect(curves[1]!.reached![1]).toBeGreaterThan(0.8);
    target.dispose();
  });

  test('can be cancelled', async () => {
    const target = net(1);
    const { numTensors } = tf.memory();
    const abort = new AbortController();
    const work = measureRobustness(target, undefined, data, 'test', options, 4, {
      signal: abort.signal,
      report: ({ done, total }) => {
        expect(done).toBeLessThanOrEqual(total);
        if (done > total / 3) abort.abort();
      },
    });
    await expect(work).rejects.toMatchObject({ details: { code: 'cancelled' } });
    expect(tf.memory().numTensors).toBe(numTensors);
    target.dispose();
  });
});

test('the engine measures a checkpoint, transfers from another', async () => {
  const project = await TinyProject.create();
  const [a, b] = [await project.train({}, { name: 'a' }), await project.train({ seed: 2 }, { name: 'b' })];
  const fileOf = ({ runDirectory, summary }: typeof a) => path.join(runDirectory, summary.checkpoint!);
  const engine = new Engine({
    runtime: project.runtime,
    mediaDirectory,
    events: { runChanged: () => {}, runFinished: () => {}, log: () => {} },
  });
  const { robustness } = engine.handlers();
  const request = {
    ...options,
    checkpoint: fileOf(a),
    split: 'test',
    attacks: ['fgsm'],
    epsilons: [0, 8],
  } as const;
  const mutable = { ...request, attacks: [...request.attacks], epsilons: [...request.epsilons] };
  const { numTensors } = tf.memory();
  const report = await robustness({ ...mutable, source: fileOf(b), images: 8 }, silent);
  expect(tf.memory().numTensors).toBe(numTensors);
  expect(robustnessReportSchema.parse(report)).toEqual(report);
  expect(report.measurement).toMatchObject({ run: 'a', sampleSize: 8, source: { run: 'b' } });
  expect(report.checks.find(({ name }) => name === 'attacks')!.status).toBe('failed');
  const itself = async () => robustness({ ...mutable, source: fileOf(a) }, silent);
  await expect(itself()).rejects.toMatchObject({ details: { code: 'usage' } });
  const other = await TinyProject.create(undefined, { side: 10 });
  const c = await other.train({}, { name: 'c' });
  const unfit = async () => robustness({ ...mutable, source: fileOf(c) }, silent);
  await expect(unfit()).rejects.toMatchObject({ details: { code: 'usage', file: fileOf(c) } });
  await engine.stop();
});
