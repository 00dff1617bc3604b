import { setImmediate } from 'node:timers/promises';
import type { Network } from '../../core/config/network.js';
import type { ErrorAnalysis, Evidence, NormRange } from '../../core/verdict/analysis.js';
import {
  angularMargin,
  angularVisualHardness,
  decideVerdict,
  type Mended,
  percentileOf,
} from '../../core/verdict/verdict.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { throwIfCancelled } from '../cancelled.js';
import type { DataSet } from '../data/dataSet.js';
import { batchSize } from '../model/batchSize.js';
import type { DcnetModel } from '../model/model.js';
import { argMax } from '../training/evaluate.js';
import { type ClassStatistics, classStatistics, gatherEvidence, missing, rounded } from './evidence.js';
import type { FactorLayer } from './factors.js';
import { findNeighbours } from './neighbours.js';
import { projectPolar } from './polar.js';
import { type LookedAt, readSplit, type SplitReading } from './readSplit.js';

/** A chart of points has at most so many. */
const mostPoints = 2000;

export interface ExplainOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: WorkProgress) => void) | undefined;
}

/** What is measured; the rest of an analysis says where it comes from. */
export type Explained = Pick<
  ErrorAnalysis,
  'sampleSize' | 'accuracy' | 'layers' | 'labels' | 'predicted' | 'errors' | 'featureNorms' | 'embedding'
>;

/**
 * Every error of a split with its verdict ({@link decideVerdict}) and the evidence for it, as at test time. Three
 * passes: the split, the training split (for donors and neighbours), and the errors with their transplants.
 * @throws DcnetError `cancelled`
 */
export async function explainErrors(
  model: DcnetModel,
  network: Network,
  data: DataSet,
  splitName: 'train' | 'test',
  { signal, onProgress }: ExplainOptions = {},
): Promise<{ readonly explained: Explained; readonly evidence: Evidence[] }> {
  const split = data[splitName];
  const looked = layersOf(network);
  const batch = batchSize(network);
  const every = Math.ceil(split.count / mostPoints);
  const reporter =
    (activity: string, total: number) =>
    (done: number): void =>
      onProgress?.({ activity, done, total });

  reporter('Classifying images', split.count)(0);
  const reading = await readSplit(model, data, splitName, looked, (index) => index % every === 0, {
    batch,
    signal,
    onProgress: reporter('Classifying images', split.count),
  });
  const wrong = Array.from(split.labels.keys()).filter((i) => reading.predicted[i] !== split.labels[i]);
  const neighbours = await findNeighbours(
    model,
    data,
    looked.score.name,
    wrong.map((i) => ({ label: split.labels[i]!, features: reading.features.get(i)! })),
    { batch, signal, onProgress: reporter('Finding neighbours in the training images', data.train.count) },
  );
  const classes = classStatistics(reading, split.labels, data.info.classes);
  const evidence: Evidence[] = [];
  const transplanting = reporter('Re-scoring errors', wrong.length);
  for (let from = 0; from < wrong.length; from += Math.max(1, batch >> 1)) {
    throwIfCancelled(signal);
    const part = wrong.slice(from, from + Math.max(1, batch >> 1));
    const near = neighbours.slice(from, from + part.length);
    evidence.push(...gatherEvidence(model, data, splitName, looked, reading, classes, part, near));
    transplanting(from + part.length);
    await setImmediate();
  }

  const shown = Array.from(split.labels.keys()).filter((i) => i % every === 0);
  const { method, kept, angle, radius } = projectPolar(shown.map((i) => reading.features.get(i)!));
  return {
    evidence,
    explained: {
      sampleSize: split.count,
      accuracy: (split.count - wrong.length) / split.count,
      layers: [...looked.hidden, looked.score].map(({ name }) => name),
      labels: Array.from(split.labels),
      predicted: Array.from(reading.predicted),
      errors: columns(evidence, reading, classes),
      featureNorms: classes.map(({ norms }) => rangeOf(norms)),
      embedding: { method, kept, index: shown, angle: angle.map(short), radius: radius.map(short) },
    },
  };
}

/** @throws where the last layer has no filters, which no network that was resolved has */
export function layersOf(network: Network): LookedAt {
  const layers = network.layers.filter(
    (layer): layer is FactorLayer => layer.type === 'conv' || layer.type === 'dense',
  );
  const score = layers.at(-1);
  if (score === undefined) throw new Error('The network has no layer with filters.');
  return { hidden: layers.slice(0, -1), score };
}

function columns(
  evidence: readonly Evidence[],
  { featureNorms }: SplitReading,
  statistics: readonly ClassStatistics[],
): ErrorAnalysis['errors'] {
  const decided = evidence.map(({ layers, cosines, label }) =>
    decideVerdict(
      layers.map(
        ({ norm, angle }): Mended => ({
          norm: norm?.predicted === label,
          angle: angle?.predicted === label,
        }),
      ),
      argMax(cosines) === label,
    ),
  );
  return {
    index: evidence.map(({ index }) => index),
    verdict: decided.map(({ verdict }) => verdict),
    layer: decided.map(({ layer }) => layer),
    marginDegrees: evidence.map(({ cosines, label, predicted }) =>
      short(angularMargin(cosines, label, predicted)),
    ),
    featureNorm: evidence.map(({ index }) => short(featureNorms[index]!)),
    normPercentile: evidence.map(({ index, label }) => {
      const share = percentileOf(statistics[label]!.norms, featureNorms[index]!);
      return Number.isNaN(share) ? missing : short(share);
    }),
    hardness: evidence.map(({ cosines, label }) => short(angularVisualHardness(cosines, label))),
  };
}

function rangeOf(increasing: Float32Array): NormRange {
  const last = increasing.length - 1;
  const at = (share: number): number => (last < 0 ? 0 : rounded(increasing[Math.round(share * last)]!));
  return {
    count: increasing.length,
    minimum: at(0),
    p05: at(0.05),
    p25: at(0.25),
    median: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    maximum: at(1),
  };
}

/** Five significant digits: columns of every image go in one message. */
function short(value: number): number {
  return Number(value.toPrecision(5));
}
