import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ErrorAnalysis } from '../../../src/core/verdict/analysis.js';
import { errorAnalysisSchema, evidenceSchema } from '../../../src/core/verdict/analysis.js';
import {
  dataOf,
  type OpenedCheckpoint,
  openCheckpoint,
} from '../../../src/engine/checkpoint/openCheckpoint.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { imageTensor } from '../../../src/engine/data/images.js';
import { Engine } from '../../../src/engine/service.js';
import { explainErrors } from '../../../src/engine/verdict/explain.js';
import { projectPolar } from '../../../src/engine/verdict/polar.js';
import { mediaDirectory, TinyProject } from '../training/support.js';

const silent = { signal: new AbortController().signal, report: () => {} };

describe('explained errors', () => {
  let project: TinyProject;
  let runDirectory: string;
  let file: string;
  let opened: OpenedCheckpoint;
  let data: DataSet;

  beforeAll(async () => {
    project = await TinyProject.create('wasm', { train: 60, test: 110 });
    // One epoch with a small step: a network that still makes many mistakes.
    const trained = await project.train({ epochs: 1, optimizer: { type: 'adam', learningRate: 0.002 } });
    runDirectory = trained.runDirectory;
    file = path.join(runDirectory, trained.summary.checkpoint!);
    opened = await openCheckpoint(file);
    data = await dataOf(opened.checkpoint, mediaDirectory, new DataStore());
  });

  /** Penultimate features and scores of a split, in float64 from there on. */
  function plain(split: 'train' | 'test') {
    const { count, images } = data[split];
    const features: number[][] = [];
    const logits = tf.tidy(
      () =>
        opened.model
          .walk(
            imageTensor(images, data.info.shape, [...Array(count).keys()], opened.model.normalization),
            (layer, input) => {
              if (layer.name === 'dense1') features.push(...(input.arraySync() as number[][]));
            },
          )
          .arraySync() as number[][],
    );
    return { features, predicted: logits.map((row) => row.indexOf(Math.max(...row))), logits };
  }
  const degrees = (a: number[], b: number[]): number => {
    const dot = (u: number[], v: number[]): number => u.reduce((sum, value, i) => sum + value * v[i]!, 0);
    return (Math.acos(Math.min(1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))) * 180) / Math.PI;
  };

  it('are those of plain loops: who is wrong, by which angles, next to whom', async () => {
    const before = tf.memory().numTensors;
    const { explained, evidence } = await explainErrors(opened.model, opened.network, data, 'test');
    expect(tf.memory().numTensors).toBe(before);
    const [test, train] = [plain('test'), plain('train')];
    const wrong = [...data.test.labels.keys()].filter((i) => test.predicted[i] !== data.test.labels[i]);
    expect(wrong.length).toBeGreaterThan(10);
    expect(explained.errors.index).toEqual(wrong);
    expect(explained.accuracy).toBeCloseTo(1 - wrong.length / 110, 12);
    const weights = opened.model.tensors.get('dense1/kernel')!.arraySync() as number[][];
    for (const [at, index] of wrong.entries()) {
      const x = test.features[index]!;
      const label = data.test.labels[index]!;
      const angles = [0, 1, 2, 3].map((c) =>
        degrees(
          x,
          weights.map((row) => row[c]!),
        ),
      );
      evidence[at]!.cosines.forEach((cosine, c) => {
        expect(cosine).toBeCloseTo(Math.cos((angles[c]! * Math.PI) / 180), 4);
      });
      expect(explained.errors.marginDegrees[at]).toBeCloseTo(
        angles[label]! - angles[test.predicted[index]!]!,
        1,
      );
      expect(explained.errors.hardness[at]).toBeCloseTo(angles[label]! / angles.reduce((a, b) => a + b), 3);
      expect(explained.errors.featureNorm[at]).toBeCloseTo(Math.hypot(...x), 4);
      const near = train.features
        .map((features, i) => ({ i, degrees: degrees(features, x) }))
        .sort((a, b) => a.degrees - b.degrees);
      const { neighbours, donor } = evidence[at]!;
      expect(neighbours).toHaveLength(5);
      neighbours.forEach((neighbour, rank) => {
        expect(neighbour.degrees).toBeCloseTo(near[rank]!.degrees, 0);
        expect(neighbour.label).toBe(data.train.labels[neighbour.index]);
      });
      const best = near.find(({ i }) => data.train.labels[i] === label && train.predicted[i] === label);
      expect(donor === undefined).toBe(best === undefined);
      if (donor && best) expect(donor.degrees).toBeCloseTo(best.degrees, 0);
      // A verdict says no more than its transplants do.
      const layer = evidence[at]!.layers[explained.errors.layer[at]!];
      const verdict = explained.errors.verdict[at];
      if (layer !== undefined)
        expect(verdict).toBe(
          layer.norm?.predicted === label ? (layer.angle?.predicted === label ? 'both' : 'norm') : 'angle',
        );
    }
  });

  it('have norms of each class, and features in the plane', async () => {
    const { explained } = await explainErrors(opened.model, opened.network, data, 'test');
    const { features, predicted } = plain('test');
    explained.featureNorms.forEach((range, label) => {
      const norms = features
        .filter((_, i) => data.test.labels[i] === label && predicted[i] === label)
        .map((x) => Math.hypot(...x))
        .sort((a, b) => a - b);
      expect(range.count).toBe(norms.length);
      if (norms.length > 0) {
        expect(range.minimum).toBeCloseTo(norms[0]!, 4);
        expect(range.maximum).toBeCloseTo(norms.at(-1)!, 4);
      }
    });
    const { embedding } = explained;
    expect(embedding.method).toBe('projection');
    expect(embedding.index).toHaveLength(110);
    embedding.radius.forEach((radius, i) => {
      expect(radius).toBeCloseTo(Math.hypot(...features[i]!), 4);
    });
    expect(embedding.kept).toBeGreaterThan(0.3);
    expect(embedding.kept).toBeLessThan(1);
  });

  it('are told, can be cancelled, are stored, and read from there', async () => {
    const engine = new Engine({
      runtime: project.runtime,
      mediaDirectory,
      events: { runChanged: () => {}, runFinished: () => {}, log: () => {} },
    });
    const { explainErrors, errorEvidence, images, attack, attackedImages } = engine.handlers();
    const request = { checkpoint: file, split: 'test' } as const;
    const abort = new AbortController();
    abort.abort();
    await expect(
      (async () => explainErrors(request, { signal: abort.signal, report: () => {} }))(),
    ).rejects.toMatchObject({ details: { code: 'cancelled' } });

    const told = new Map<string, number[]>();
    const analysis = errorAnalysisSchema.parse(
      await explainErrors(request, {
        ...silent,
        report: ({ activity, done, total }) =>
          told.set(activity, [...(told.get(activity) ?? []), done / total]),
      }),
    );
    expect(told.size).toBe(3);
    for (const shares of told.values()) {
      expect(shares.at(-1)).toBe(1);
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
    }
    expect(existsSync(path.join(runDirectory, 'inspections', 'epoch-0001.test.errors.json'))).toBe(true);

    const moved = path.join(path.dirname(runDirectory), 'renamed');
    await rename(runDirectory, moved);
    file = path.join(moved, 'checkpoints', path.basename(file));
    const again = { checkpoint: file, split: 'test' } as const;
    const fresh = await explainErrors(again, {
      ...silent,
      report: () => {
        throw new Error('It was measured anew.');
      },
    });
    expect(fresh).toEqual({ ...analysis, checkpoint: file, run: 'renamed' } satisfies ErrorAnalysis);

    const index = analysis.errors.index[0]!;
    const evidence = await errorEvidence({ ...again, index }, silent);
    evidenceSchema.parse(evidence.evidence);
    expect(evidence.image.index).toBe(index);
    expect(evidence.neighbours.map((image) => image.index)).toEqual(
      evidence.evidence.neighbours.map((neighbour) => neighbour.index),
    );
    const right = analysis.labels.findIndex((label, i) => label === analysis.predicted[i]);
    await expect((async () => errorEvidence({ ...again, index: right }, silent))()).rejects.toMatchObject({
      details: { code: 'usage' },
    });
    const [image] = await images({ ...again, indices: [3] }, silent);
    expect(image!.label).toBe(data.test.labels[3]);
    expect([...Buffer.from(image!.pixels, 'base64')]).toEqual([...data.test.images.subarray(3 * 64, 4 * 64)]);
    await expect((async () => images({ ...again, indices: [110] }, silent))()).rejects.toThrow(
      'no image 110',
    );

    const still = await attack({ ...again, attack: 'fgsm', epsilon: 0 }, silent);
    expect(still.accuracyUnderAttack).toBe(analysis.accuracy);
    expect(still.layers.every(({ h, g }) => h === 0 && g === 0)).toBe(true);
    const tensors = tf.memory().numTensors;
    const strong = await attack({ ...again, attack: 'fgsm', epsilon: 32 }, silent);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(strong.accuracy).toBe(analysis.accuracy);
    expect(strong.accuracyUnderAttack).toBeLessThan(analysis.accuracy);
    const stronger = await attack({ ...again, attack: 'bim', epsilon: 32 }, silent);
    expect(stronger.attack).toBe('bim');
    expect(stronger.accuracyUnderAttack).toBeLessThanOrEqual(strong.accuracyUnderAttack);
    expect(stronger.layers.every(({ h, g }) => h > 0 && g > 0)).toBe(true);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(strong.layers.map(({ name }) => name)).toEqual(['conv1', 'conv2']);
    const [pair] = await attackedImages({ ...again, attack: 'fgsm', epsilon: 32, indices: [3] }, silent);
    const [pixels, changed] = [pair!.before, pair!.after].map((one) => [
      ...Buffer.from(one.pixels, 'base64'),
    ]);
    const steps = pixels!.map((pixel, i) => Math.abs(pixel - changed![i]!));
    expect(Math.max(...steps)).toBe(32);
    await engine.stop();
  });
});

describe('features in polar form', () => {
  it('are exact for two of them', () => {
    const { method, kept, angle, radius } = projectPolar([
      Float32Array.of(3, 4),
      Float32Array.of(-2, 0),
      Float32Array.of(0, 0),
    ]);
    expect({ method, kept }).toEqual({ method: 'exact', kept: 1 });
    expect(angle[0]).toBeCloseTo(53.130102, 5);
    expect(angle[1]).toBeCloseTo(180, 10);
    expect(radius).toEqual([5, 2, 0]);
  });

  it('keep the plane of largest variance, and the true norms', () => {
    // Directions in 4-D: a circle of cos 30° in one plane, and ±sin 30° along a third axis, ± half of that on the fourth.
    const features = Array.from({ length: 24 }, (_, i) => {
      const turn = (i * Math.PI) / 12;
      const up = (i % 2 === 0 ? 1 : -1) * 0.5;
      const [x, y] = [Math.cos(turn) * Math.sqrt(0.75), Math.sin(turn) * Math.sqrt(0.75)];
      return Float32Array.of(x, up, y, 0).map((value) => value * (i + 1));
    });
    const { method, kept, angle, radius } = projectPolar(features);
    expect(method).toBe('projection');
    expect(kept).toBeCloseTo(0.75, 6);
    expect(radius[7]).toBeCloseTo(8, 5);
    // Neighbours on the circle are 15° apart, one way round or the other.
    for (let i = 1; i < 24; i++) {
      const step = ((((angle[i]! - angle[i - 1]!) % 360) + 540) % 360) - 180;
      expect(Math.abs(step)).toBeCloseTo(15, 1);
    }
  });
});
