import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { renormalised } from '../../../src/engine/attack/renormalised.js';
import { measureRobustness, type RobustnessOptions } from '../../../src/engine/attack/robustness.js';
import { chooseTargets, type Target, targetOf } from '../../../src/engine/attack/targets.js';
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
const classNames = ['a', 'b', '7', 'd'];
const data = {
  ...{ test: split, train: split },
  info: { shape, classes: 4, classNames },
} as unknown as DataSet;
const net = (seed: number) =>
  modelOf([{ type: 'conv', filters: 5 }, { type: 'flatten' }, { type: 'dense', units: 4 }], shape, seed);
const options = {
  attacks: ['fgsm', 'pgd'],
  norm: 'linf',
  epsilons: [0, 16],
  steps: 3,
  restarts: 2,
  targeted: false,
  images: 10,
  seed: 1,
} as const satisfies RobustnessOptions;
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
    const towards = { ...options, targeted: 'least-likely', epsilons: [0, 255], steps: 20 } as const;
    const { curves } = await measureRobustness(target, undefined, data, 'test', towards, 10, silent);
    expect(curves[1]!.reached![0]).toBe(0);
    expect(curves[1]!.reached![1]).toBeGreaterThan(0.8);
    target.dispose();
  });

  test('towards one class leaves its images out, and says how many', async () => {
    const target = net(1);
    const towards = { ...options, targeted: { class: 2 }, attacks: ['bim'], steps: 20 } as const;
    const epsilons = [0, 255];
    const { numTensors } = tf.memory();
    const measured = await measureRobustness(
      target,
      undefined,
      data,
      'test',
      { ...towards, epsilons },
      3,
      silent,
    );
    expect(tf.memory().numTensors).toBe(numTensors);
    // Labels are 0, 1, 2, 3, 0, …: of the first ten images the third and the seventh.
    expect(measured).toMatchObject({ sampleSize: 8, targeted: { class: 2, name: '7', leftOut: 2 } });
    const others = [0, 1, 3, 4, 5, 7, 8, 9];
    const predicted = tf.tidy(
      () =>
        tf
          .argMax(target.predict(imageTensor(split.images, shape, others, target.normalization)), 1)
          .arraySync() as number[],
    );
    const [curve] = measured.curves;
    expect(curve!.reached![0]).toBe(predicted.filter((cls) => cls === 2).length / 8);
    expect(measured.accuracy).toBe(predicted.filter((cls, i) => cls === others[i]! % 4).length / 8);
    expect(curve!.reached![1]).toBeGreaterThan(0.8);
    const all = { ...split, labels: new Uint8Array(count).fill(2) };
    await expect(
      measureRobustness(target, undefined, { ...data, test: all }, 'test', towards, 3, silent),
    ).rejects.toMatchObject({ details: { code: 'usage', message: /Every image is of the class 7/ } });
    target.dispose();
  });

  test('takes steps of the size that is asked for, and with room for any image its own', async () => {
    const target = net(1);
    const rise = async (stepSize: number): Promise<number> => {
      const asked = { ...options, attacks: ['bim'], epsilons: [16], stepSize } as const;
      const { curves, unbounded } = await measureRobustness(
        target,
        undefined,
        data,
        'test',
        asked,
        10,
        silent,
      );
      expect(unbounded!.accuracy).toBe(0);
      const [sums] = curves[0]!.objectives;
      return sums!.at(-1)! - sums![0]!;
    };
    const [tiny, twice] = [await rise(0.01), await rise(0.02)];
    expect(tiny).toBeGreaterThan(0);
    expect(twice / tiny).toBeCloseTo(2, 1); // so near, the loss is straight
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

describe('the class that an attack goes towards', () => {
  const many = {
    count: 3000,
    images: split.images,
    labels: Uint8Array.from({ length: 3000 }, (_, i) => i % 4),
  };
  const every = Uint32Array.from({ length: 3000 }, (_, i) => i);
  /** Scores −|class − 100·first pixel|: the last class has least for 0, the first one for 0.03. */
  const ruler = {
    normalization: { mean: [0], scale: [1] },
    predict: (x: tf.Tensor4D) =>
      tf.neg(
        tf.abs(
          tf.sub(
            tf.tensor2d([[0, 1, 2, 3]]),
            tf.mul(100, tf.reshape(tf.slice(x, 0, [-1, 1, 1, 1]), [-1, 1])),
          ),
        ),
      ) as tf.Tensor2D,
  };
  const drawn = (target: Target, seed = 1, indices = every): number[] => {
    const x = tf.zeros<tf.Rank.R4>([1, 1, 1, 1]);
    const targets = chooseTargets(target, ruler, many, 4, seed)(x, indices);
    expect(targets.dtype).toBe('int32');
    const values = targets.arraySync();
    tf.dispose([x, targets]);
    return values;
  };

  test('is the one after the own, the last class’s the first', () => {
    expect(drawn('next', 1, Uint32Array.of(0, 1, 2, 3, 7))).toEqual([1, 2, 3, 0, 0]);
  });

  test('is the one with the least score', () => {
    const x = tf.tensor4d([0, 0.03, 0.005], [3, 1, 1, 1]);
    const targets = chooseTargets('least-likely', ruler, many, 4, 1)(x, Uint32Array.of(0, 1, 2));
    expect(targets.arraySync()).toEqual([3, 0, 3]);
    tf.dispose([x, targets]);
  });

  test('is drawn from the wrong ones alone, each as often, by seed and image', () => {
    const targets = drawn('random');
    const counts = Array.from({ length: 4 }, () => new Array<number>(4).fill(0));
    for (const [i, target] of targets.entries()) counts[i % 4]![target]!++;
    // 750 images of a class, 250 for each other one: 4 standard deviations are 52.
    for (const [label, row] of counts.entries())
      for (const [target, times] of row.entries())
        if (target === label) expect(times).toBe(0);
        else expect(Math.abs(times - 250)).toBeLessThan(52);
    expect(drawn('random')).toEqual(targets);
    expect(drawn('random', 2)).not.toEqual(targets);
    const some = Uint32Array.of(2999, 5, 17);
    expect(drawn('random', 1, some)).toEqual([...some].map((index) => targets[index]));
  });

  test('is found by its name, then by its number', () => {
    expect(targetOf({ class: 'd' }, classNames)).toEqual({ class: 3 });
    expect(targetOf({ class: '1' }, classNames)).toEqual({ class: 1 });
    expect(targetOf({ class: '7' }, classNames)).toEqual({ class: 2 });
    expect(targetOf('next', classNames)).toBe('next');
    for (const name of ['e', '4', '-1', '', '1.0'])
      expect(() => targetOf({ class: name }, classNames)).toThrow(
        expect.objectContaining({
          details: expect.objectContaining({
            code: 'usage',
            remedy: expect.stringMatching(/a, b, 7, d.*0 to 3/),
          }),
        }),
      );
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
  const towards = await robustness({ ...mutable, images: 8, targeted: { class: '3' } }, silent);
  expect(robustnessReportSchema.parse(towards)).toEqual(towards);
  // Labels of the tiny data are 0, 1, 2, 3, 0, …
  expect(towards.measurement).toMatchObject({ sampleSize: 6, targeted: { class: 3, name: '3', leftOut: 2 } });
  const nowhere = async () => robustness({ ...mutable, targeted: { class: 'dog' } }, silent);
  await expect(nowhere()).rejects.toMatchObject({ details: { code: 'usage', message: /no class dog/ } });
  const itself = async () => robustness({ ...mutable, source: fileOf(a) }, silent);
  await expect(itself()).rejects.toMatchObject({ details: { code: 'usage' } });
  const other = await TinyProject.create(undefined, { side: 10 });
  const c = await other.train({}, { name: 'c' });
  const unfit = async () => robustness({ ...mutable, source: fileOf(c) }, silent);
  await expect(unfit()).rejects.toMatchObject({ details: { code: 'usage', file: fileOf(c) } });
  await engine.stop();
});
