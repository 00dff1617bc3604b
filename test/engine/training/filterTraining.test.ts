import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { weightComparisonSchema } from '../../../src/core/comparison/comparison.js';
import { measuredCurves } from '../../../src/core/operator/measured.js';
import { inspectionSchema } from '../../../src/core/statistics/inspection.js';
import {
  dataOf,
  type OpenedCheckpoint,
  openCheckpoint,
} from '../../../src/engine/checkpoint/openCheckpoint.js';
import { compareWeights } from '../../../src/engine/comparison/weights.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { imageTensor } from '../../../src/engine/data/images.js';
import { inspectModel } from '../../../src/engine/inspection/inspect.js';
import { patchNorms } from '../../../src/engine/operator/patchNorms.js';
import { explainErrors } from '../../../src/engine/verdict/explain.js';
import { mediaDirectory, TinyProject } from './support.js';

/** Everything of this part at once. */
const changes = {
  operator: { magnitude: 'tanh', angular: 'sigmoid', learnK: 'per-filter', weighting: 'joint-tanh' },
  layers: [
    { type: 'conv', filters: 4 },
    {
      type: 'conv',
      filters: 6,
      stride: 2,
      operator: { magnitude: 'linear', angular: 'square-cosine', exponent: 1.5, weighting: 'linear' },
    },
    { type: 'global-average-pool' },
    {
      type: 'dense',
      units: 5,
      batchNorm: true,
      activation: 'relu',
      operator: { weighting: 'separate-tanh' },
    },
    { type: 'dense', units: 4 },
  ],
  projection: { every: 3, scale: 1.5 },
  filterGradients: 'weighted',
  orthogonality: 1e-3,
  hypersphericalEnergy: 1e-2,
};

describe('a run with weighted operators, a decoupled dense layer and terms of filters', () => {
  let project: TinyProject;
  let opened: OpenedCheckpoint;
  let file: string;
  let data: DataSet;

  beforeAll(async () => {
    project = await TinyProject.create('wasm', { test: 40 });
    const { runDirectory, summary } = await project.train(changes, { name: 'whole' });
    file = path.join(runDirectory, summary.checkpoint!);
    opened = await openCheckpoint(file);
    data = await dataOf(opened.checkpoint, mediaDirectory, new DataStore());
  });

  const kernelsOf = ({ model }: OpenedCheckpoint): number[][] =>
    model.decoupled.map(({ kernel }) => [...kernel.dataSync()]);

  it('goes on from where it was stopped as if it had not been', async () => {
    const stopped = await project.train(changes, {
      name: 'stopped',
      onChange: ({ status, step }, queue, run) => {
        if (status === 'running' && step >= 5) void queue.stop(run);
      },
    });
    const { checkpoint } = await project.resume(stopped.runDirectory);
    const resumed = await openCheckpoint(path.join(stopped.runDirectory, checkpoint!));
    expect(resumed.checkpoint.metadata.step).toBe(opened.checkpoint.metadata.step);
    expect(kernelsOf(resumed)).toEqual(kernelsOf(opened));
    resumed.model.dispose();
  });

  it('is inspected: operators, radii in the unit of ‖x‖, and the shares beyond them', async () => {
    const { layers } = await inspectModel(opened.model, opened.network, data, 'test');
    expect(layers.map((layer) => inspectionSchema.shape.layers.element.parse(layer))).toEqual(layers);
    const [joint, linear, separate] = layers;
    expect(joint!.operator).toMatchObject({ weighting: 'joint-tanh' });
    expect(linear!.operator).toMatchObject({ weighting: 'linear', exponent: 1.5 });
    expect(separate!.operator).toMatchObject({ magnitude: 'tanh', weighting: 'separate-tanh' });
    expect(separate!.rho).toHaveLength(5);
    joint!.radius!.forEach((R, f) => {
      expect(R).toBeCloseTo((joint!.rho![f]! * joint!.meanPatchNorm!) / joint!.weightNorms[f]!, 3);
    });
    // The first layer's patches are the images'.
    const norms = tf
      .tidy(() => [
        ...patchNorms(
          imageTensor(
            data.test.images,
            data.info.shape,
            [...Array(data.test.count).keys()],
            opened.model.normalization,
          ),
          { kernel: 3, stride: 1, padding: 'same' },
          0,
        ).dataSync(),
      ])
      .filter((norm) => norm >= joint!.floor);
    const beyond = norms.flatMap((norm) => joint!.radius!.map((R) => norm > R)).filter(Boolean).length;
    expect(joint!.regimes!.find(({ name }) => name === 'beyond the radius')!.share).toBeCloseTo(
      beyond / (norms.length * 4),
      4,
    );
    // The curve of h that is drawn for a filter, against the formula.
    if (separate!.operator === 'inner-product') throw new Error('It is decoupled.');
    const { parameters } = measuredCurves(separate!.operator, separate!, 2);
    expect(parameters.alpha).toBeCloseTo(Math.tanh(separate!.weightNorms[2]! / separate!.rho![2]!), 6);
  });

  it('has its errors explained and its weights compared, with the radii of the inspection', async () => {
    const { explained } = await explainErrors(opened.model, opened.network, data, 'test');
    expect(explained.layers).toEqual(['conv1', 'conv2', 'dense1', 'dense2']);
    const comparison = await compareWeights(
      { a: { file }, b: { file } } as Parameters<typeof compareWeights>[0],
      {},
    );
    expect(weightComparisonSchema.parse(comparison)).toEqual(comparison);
    const radii = opened.model.decoupled[0]!.radius();
    for (const [f, R] of comparison.layers[0]!.filters!.radiusA!.entries())
      expect(R).toBeCloseTo(radii[f]!, 3);
    expect(comparison.layers[2]!.filters!.rhoA).toHaveLength(5);
  });
});
