import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { type Verdict, verdictOf, verdicts } from '../../../src/core/verdict/verdict.js';
import { dataOf, openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { imageTensor } from '../../../src/engine/data/images.js';
import type { DcnetModel } from '../../../src/engine/model/model.js';
import { explainErrors } from '../../../src/engine/verdict/explain.js';
import { mediaDirectory, TinyProject } from '../training/support.js';
import {
  type BarImage,
  barSide,
  drawBar,
  plantedBars,
  usualBars,
  usualContrast,
  writeBars,
} from './planted.js';

const layers = (operator?: object) => [
  { type: 'conv', filters: 8, ...operator },
  { type: 'max-pool' },
  { type: 'conv', filters: 12, ...operator },
  { type: 'max-pool' },
  { type: 'conv', filters: 16, ...operator },
  { type: 'global-average-pool' },
  { type: 'dense', units: 4 },
];

function predict(model: DcnetModel, bars: readonly BarImage[]): Int32Array {
  return tf.tidy(() => {
    const images = Uint8Array.from(bars.flatMap((bar) => [...drawBar(bar)]));
    const x = imageTensor(images, [barSide, barSide, 1], [...bars.keys()], model.normalization);
    return tf.argMax(model.predict(x), 1).dataSync<'int32'>();
  });
}

/**
 * What is really to blame, by drawing the image again: with a usual contrast and its own shape, and with its class's
 * shape and its own contrast.
 */
function truths(model: DcnetModel, bars: readonly BarImage[]): Verdict[] {
  const usual = (usualContrast[0] + usualContrast[1]) / 2;
  const isUsual = (contrast: number): boolean => contrast >= usualContrast[0] && contrast <= usualContrast[1];
  const inContrast = predict(
    model,
    bars.map((bar) => ({ ...bar, contrast: isUsual(bar.contrast) ? bar.contrast : usual })),
  );
  const inShape = predict(
    model,
    bars.map((bar) => ({ ...bar, turn: Math.abs(bar.turn) > 8 ? 0 : bar.turn })),
  );
  return bars.map(({ label }, i) =>
    verdictOf({ norm: inContrast[i] === label, angle: inShape[i] === label }),
  );
}

describe('verdicts on planted errors', () => {
  it.each([
    ['TanhConv, cosine', { operator: { magnitude: 'tanh', angular: 'cosine' }, layers: layers() }],
    ['BallConv, sigmoid', { operator: { magnitude: 'ball', angular: 'sigmoid' }, layers: layers() }],
    ['LinearConv, cosine', { operator: { magnitude: 'linear', angular: 'cosine' }, layers: layers() }],
    ['plain convolution', { layers: layers({ operator: 'inner-product' }) }],
  ])('find what is to blame in a net of %s', async (name, changes) => {
    const project = await TinyProject.create('wasm');
    const planted = plantedBars(1200, 7);
    await writeBars(path.join(project.directory, 'data'), usualBars(600, 1), planted);
    const { runDirectory, summary } = await project.train({
      ...changes,
      epochs: 8,
      batch: 30,
      averageDecay: 0.95,
      optimizer: { type: 'adam', learningRate: 0.005 },
    });
    const { checkpoint, model, network } = await openCheckpoint(path.join(runDirectory, summary.checkpoint!));
    expect(predict(model, usualBars(200, 2))).toEqual(
      Int32Array.from(usualBars(200, 2), ({ label }) => label),
    );
    const data = await dataOf(checkpoint, mediaDirectory, new DataStore());
    const { explained } = await explainErrors(model, network, data, 'test');
    const { index, verdict } = explained.errors;
    const truth = truths(
      model,
      index.map((i) => planted[i]!),
    );
    model.dispose();

    const share = (part: number, whole: number): number => (whole === 0 ? Number.NaN : part / whole);
    const scores = verdicts.map((word) => {
      const [said, meant] = [verdict, truth].map((all) => all.filter((one) => one === word).length);
      const agreed = verdict.filter((one, i) => one === word && truth[i] === word).length;
      return { word, meant: meant!, precision: share(agreed, said!), recall: share(agreed, meant!) };
    });
    const agreement = share(verdict.filter((one, i) => one === truth[i]).length, truth.length);
    console.log(
      `${name}: ${truth.length} errors, verdict is the truth for ${agreement.toFixed(3)} of them; ${scores
        .map(
          ({ word, meant, precision, recall }) =>
            `${word} (${meant}) precision ${precision.toFixed(2)} recall ${recall.toFixed(2)}`,
        )
        .join(', ')}`,
    );
    expect(truth.length).toBeGreaterThan(300);
    expect(agreement).toBeGreaterThan(0.85);
    const [norm, angle, both, neither] = scores;
    expect(norm!.precision).toBeGreaterThan(0.75);
    expect(norm!.recall).toBeGreaterThan(0.75);
    expect(angle!.precision).toBeGreaterThan(0.85);
    expect(angle!.recall).toBeGreaterThan(0.9);
    expect(both!.recall).toBeGreaterThan(0.4);
    if (neither!.meant >= 50) expect(neither!.precision).toBeGreaterThan(0.7);
  });
});
