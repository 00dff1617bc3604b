import type { Attack, ErrorAnalysis } from '../../../src/core/verdict/analysis.js';
import type { Verdict } from '../../../src/core/verdict/verdict.js';
import type { ErrorEvidence } from '../../../src/protocol/engine.js';
import type { DataImage } from '../../../src/protocol/images.js';
import { normal } from './random.js';

/** Made-up errors of plausible shape, and made-up evidence for each of them. */
const classNames = [
  'T-shirt',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
];
const layers = ['conv1', 'conv2', 'conv3', 'dense1'];
/** Classes that a class is taken for. */
const confusions: readonly (readonly number[])[] = [
  [6, 6, 6, 3, 2],
  [3],
  [4, 4, 6, 6, 0],
  [0, 4, 6],
  [2, 2, 6, 6, 3],
  [7, 9],
  [0, 0, 2, 4, 4, 2, 0],
  [9, 5],
  [6, 0],
  [7, 7, 5],
];
const side = 14;

interface Recipe {
  readonly images?: number;
  readonly seed?: number;
  /** How often an image is classified wrongly: this times the number of classes that its class is taken for. */
  readonly rate?: number;
  readonly checkpoint?: string;
  readonly exact?: boolean;
}

export function makeErrors({
  images = 1000,
  seed = 1,
  rate = 0.05,
  checkpoint = 'epoch-0006',
  exact = false,
}: Recipe = {}): ErrorAnalysis {
  const next = normal(seed);
  const chance = (): number => Math.abs(next() * 7919) % 1;
  const labels = Array.from({ length: images }, (_, i) => i % classNames.length);
  const predicted = labels.map((label) => {
    const taken = confusions[label]!;
    return chance() < rate * taken.length ? taken[Math.floor(chance() * taken.length)]! : label;
  });
  const index = [...labels.keys()].filter((i) => labels[i] !== predicted[i]);
  const verdict = index.map((): Verdict => {
    const at = chance();
    return at < 0.16 ? 'norm' : at < 0.62 ? 'angle' : at < 0.78 ? 'both' : 'neither';
  });
  const layer = verdict.map((word) =>
    word === 'neither' ? -1 : word === 'norm' && chance() < 0.2 ? 3 : chance() < 0.6 ? 0 : 1,
  );
  const shown = [...labels.keys()];
  return {
    version: 1,
    run: 'fashion-001',
    checkpoint: `/project/runs/fashion-001/checkpoints/${checkpoint}.dcnet.safetensors`,
    checkpointSha256: `${seed}`.padStart(64, '0'),
    epoch: 6,
    step: 600,
    data: 'fashion-mnist-sample',
    split: 'test',
    sampleSize: images,
    accuracy: 1 - index.length / images,
    backend: 'wasm',
    classNames,
    layers,
    labels,
    predicted,
    errors: {
      index,
      verdict,
      layer,
      marginDegrees: index.map(() => Math.abs(next()) * 4),
      featureNorm: index.map(() => 9 + 2 * next()),
      normPercentile: index.map(() => chance()),
      hardness: index.map(() => 0.1 + 0.004 * next()),
    },
    featureNorms: classNames.map((_, label) => ({
      count: 80,
      minimum: 6 + label * 0.2,
      p05: 7 + label * 0.2,
      p25: 8.5 + label * 0.2,
      median: 10 + label * 0.2,
      p75: 11 + label * 0.2,
      p95: 13 + label * 0.2,
      maximum: 15 + label * 0.2,
    })),
    embedding: {
      method: exact ? 'exact' : 'projection',
      kept: exact ? 1 : 0.437,
      index: shown,
      angle: shown.map((i) => {
        const turn = ((labels[i]! * 36 + 9 * next() + 540) % 360) - 180;
        return Math.round(turn * 100) / 100;
      }),
      radius: shown.map(() => Math.max(1, 10 + 2 * next())),
    },
  };
}

/** A picture of an image's class: a blob whose place tells it, with a little noise. */
export function drawImage(index: number, label: number, noise = 0): DataImage {
  const [x0, y0] = [3 + (label % 4) * 2.6, 3 + Math.floor(label / 4) * 3.5];
  let bytes = '';
  for (let i = 0; i < side * side; i++) {
    const [x, y] = [i % side, Math.floor(i / side)];
    const away = Math.hypot(x - x0, (y - y0) * (1 + label / 10));
    const jitter = ((index * 31 + i * 17) % 40) + (i % 2 === 0 ? noise : -noise);
    bytes += String.fromCharCode(Math.max(0, Math.min(255, Math.round(230 - 40 * away + jitter))));
  }
  return { index, label, shape: [side, side, 1], pixels: btoa(bytes) };
}

/** Evidence that agrees with the error's verdict. */
export function makeEvidence(analysis: ErrorAnalysis, index: number): ErrorEvidence {
  const at = analysis.errors.index.indexOf(index);
  const next = normal(index + 1);
  const [label, predicted] = [analysis.labels[index]!, analysis.predicted[index]!];
  const verdict = analysis.errors.verdict[at]!;
  const turns = analysis.errors.layer[at]!;
  const cosines = classNames.map((_, cls) =>
    cls === predicted ? 0.62 : cls === label ? 0.55 : 0.1 + 0.12 * next(),
  );
  const logits = cosines.map((cosine) => cosine * 12);
  const outcome = (mends: boolean) => ({
    predicted: mends ? label : predicted,
    margin: mends ? 1.5 + Math.abs(next()) : -0.3 - Math.abs(next()),
  });
  const donor = { index: 400 + label, degrees: 21.4 };
  const near = [label, predicted, predicted, label, predicted].map((cls, rank) => ({
    index: 700 + rank * 10 + cls,
    label: cls,
    degrees: 17 + 2.3 * rank,
  }));
  return {
    image: drawImage(index, label),
    donor: drawImage(donor.index, label),
    neighbours: near.map((one) => drawImage(one.index, one.label)),
    evidence: {
      index,
      label,
      predicted,
      logits,
      cosines,
      margin: logits[label]! - logits[predicted]!,
      donor,
      layers: analysis.layers.slice(0, -1).map((name, i) => {
        const traced = () => ({ image: 0.5 + 0.05 * next(), donor: 0.55 + 0.03 * next(), classMean: 0.54 });
        const turned = turns >= 0 && turns < 3 && i >= turns;
        return {
          name,
          norm: outcome(turned && (verdict === 'norm' || verdict === 'both')),
          angle: outcome(i === 2 || (turned && (verdict === 'angle' || verdict === 'both'))),
          h: traced(),
          g: traced(),
        };
      }),
      neighbours: near,
    },
  };
}

export function makeAttack(
  analysis: ErrorAnalysis,
  { attack, epsilon }: Pick<Attack, 'attack' | 'epsilon'>,
): Attack {
  const predicted = analysis.predicted.map((cls, i) =>
    i % 3 === 0 ? confusions[analysis.labels[i]!]![0]! : cls,
  );
  const right = predicted.filter((cls, i) => cls === analysis.labels[i]).length;
  return {
    checkpoint: analysis.checkpoint,
    split: 'test',
    sampleSize: analysis.sampleSize,
    attack,
    epsilon,
    accuracy: analysis.accuracy,
    accuracyUnderAttack: right / analysis.sampleSize,
    predicted,
    layers: analysis.layers
      .slice(0, -1)
      .map((name, i) => ({ name, h: 0.02 * (i + 1) * epsilon * 0.1, g: 0.05 * (i + 1) * epsilon * 0.1 })),
  };
}
