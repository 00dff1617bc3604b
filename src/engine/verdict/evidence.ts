import * as tf from '@tensorflow/tfjs-core';
import type { Evidence } from '../../core/verdict/analysis.js';
import type { DataSet } from '../data/dataSet.js';
import { imageTensor } from '../data/images.js';
import type { Labels } from '../data/split.js';
import type { DcnetModel } from '../model/model.js';
import { argMax } from '../training/evaluate.js';
import type { Neighbours } from './neighbours.js';
import { factorMeans, type LookedAt, type SplitReading } from './readSplit.js';
import { type Transplants, transplant } from './transplant.js';

/** Of the rightly classified images of one class. */
export interface ClassStatistics {
  /** Increasing ‖x‖ of the penultimate features. */
  readonly norms: Float32Array;
  /** Mean of h, and of |g|, for each hidden layer; NaN where there is no such image. */
  readonly h: readonly number[];
  readonly g: readonly number[];
}

export function classStatistics(
  { predicted, featureNorms, meanH, meanG }: SplitReading,
  labels: Labels,
  classes: number,
): ClassStatistics[] {
  return Array.from({ length: classes }, (_, label) => {
    const right = Array.from(labels.keys()).filter((i) => labels[i] === label && predicted[i] === label);
    const mean = (values: Float32Array): number =>
      right.reduce((sum, i) => sum + values[i]!, 0) / right.length;
    return {
      norms: Float32Array.from(right, (i) => featureNorms[i]!).sort(),
      h: meanH.map(mean),
      g: meanG.map(mean),
    };
  });
}

/** The evidence on a batch of errors. */
export function gatherEvidence(
  model: DcnetModel,
  data: DataSet,
  splitName: 'train' | 'test',
  { hidden }: LookedAt,
  reading: SplitReading,
  statistics: readonly ClassStatistics[],
  wrong: readonly number[],
  neighbours: readonly Neighbours[],
): Evidence[] {
  const { shape, classes } = data.info;
  const split = data[splitName];
  const withDonor = wrong.flatMap((_, i) => (neighbours[i]!.donor === undefined ? [] : [i]));
  const traces = new Map<string, { h: Float32Array; g: Float32Array }>();
  const images = withDonor.map((i) => wrong[i]!);
  const donors = withDonor.map((i) => neighbours[i]!.donor!.index);
  let outcomes: readonly Transplants[] = [];
  if (withDonor.length > 0)
    tf.tidy(() => {
      outcomes = transplant(
        model,
        imageTensor(split.images, shape, images, model.normalization),
        imageTensor(data.train.images, shape, donors, model.normalization),
        new Set(hidden.map(({ name }) => name)),
        (layer, factors) => traces.set(layer.name, factorMeans(factors)),
      );
    });
  return wrong.map((index, i) => {
    const label = split.labels[index]!;
    const row = (values: Float32Array, at: number): Float32Array =>
      values.subarray(at * classes, (at + 1) * classes);
    const at = withDonor.indexOf(i);
    const rescored = (logits: Float32Array | undefined) => {
      if (logits === undefined || at < 0) return undefined;
      const scores = row(logits, at);
      return { predicted: argMax(scores), margin: rounded(marginOf(scores, label)) };
    };
    const { donor, nearest } = neighbours[i]!;
    const logits = row(reading.logits, index);
    return {
      index,
      label,
      predicted: reading.predicted[index]!,
      logits: Array.from(logits, rounded),
      cosines: Array.from(row(reading.cosines, index), rounded),
      margin: rounded(marginOf(logits, label)),
      ...(donor === undefined ? {} : { donor: { index: donor.index, degrees: rounded(donor.degrees) } }),
      layers: hidden.map(({ name }, layer) => {
        const outcome = outcomes.find((found) => found.layer.name === name);
        const trace = traces.get(name);
        const donorAt = withDonor.length + at;
        const traced = (image: number, donorValue: number | undefined, classMean: number) => ({
          image: rounded(image),
          donor: at < 0 ? missing : rounded(donorValue ?? missing),
          classMean: Number.isFinite(classMean) ? rounded(classMean) : missing,
        });
        const { h, g } = statistics[label]!;
        return {
          name,
          norm: rescored(outcome?.norm),
          angle: rescored(outcome?.angle),
          h: traced(reading.meanH[layer]![index]!, trace?.h[donorAt], h[layer]!),
          g: traced(reading.meanG[layer]![index]!, trace?.g[donorAt], g[layer]!),
        };
      }),
      neighbours: nearest.map((found) => ({ ...found, degrees: rounded(found.degrees) })),
    };
  });
}

/** A mean of no images, or of no donor: h and |g| are never negative. */
export const missing = -1;

/** Logit of the true class less the largest other. */
function marginOf(logits: Float32Array, label: number): number {
  let other = Number.NEGATIVE_INFINITY;
  logits.forEach((value, i) => {
    if (i !== label && value > other) other = value;
  });
  return logits[label]! - other;
}

/** Seven significant digits, as many as float32 has: messages and files are not longer than what they say. */
export function rounded(value: number): number {
  return Number(value.toPrecision(7));
}
