import type {
  BehaviourComparison,
  FilterTable,
  LayerComparison,
  WeightComparison,
} from '../../../src/core/comparison/comparison.js';
import { quantileOf } from '../../../src/core/comparison/filters.js';
import { wassersteinDistance } from '../../../src/core/comparison/wasserstein.js';
import type { Distribution } from '../../../src/core/statistics/inspection.js';
import type { Comparison } from '../../../src/protocol/panels/diff.js';
import { makeInspection } from './layers.js';
import { normal } from './random.js';

const inspection = makeInspection();

function makeFilters(count: number, seed: number, rescaling: number, rotation: number): FilterTable {
  const next = normal(seed);
  const every = (make: () => number): number[] => Array.from({ length: count }, make);
  const to = Array.from({ length: count }, (_, i) => i);
  if (count > 20) [to[3], to[7]] = [7, 3];
  return {
    from: Array.from({ length: count }, (_, i) => i),
    to,
    rescaling: every(() => rescaling * (1 + 0.3 * next())),
    rotation: every(() => Math.abs(rotation * (1 + 0.25 * next()))),
    normA: every(() => 1 + 0.1 * next()),
    normB: every(() => 1.1 + 0.1 * next()),
    ...(count > 10
      ? {
          rhoA: every(() => 1),
          rhoB: every(() => 0.9 + 0.05 * next()),
          radiusA: every(() => 2),
          radiusB: every(() => 1.9),
        }
      : {}),
    onlyA: [],
    onlyB: [],
  };
}

const moves = [
  [0.21, 14],
  [0.08, 22],
  [-0.12, 31],
  [0.02, 41],
  [0.33, 18],
] as const;

function makeLayer(index: number): LayerComparison {
  const { name, type, filters: count, inputShape } = inspection.layers[index]!;
  const [rescaling, rotation] = moves[index]!;
  const filters = makeFilters(count, 40 + index, rescaling, rotation);
  const spread = (values: readonly (number | null)[]) => {
    const [p05, median, p95] = [0.05, 0.5, 0.95].map((share) => quantileOf(values as number[], share)!);
    return { p05: p05!, median: median!, p95: p95! };
  };
  const shape = type === 'conv' ? [3, 3, inputShape.at(-1)!, count] : [inputShape[0]!, count];
  return {
    a: name,
    b: name,
    type,
    shapeA: shape,
    shapeB: shape,
    movement: Math.hypot(rescaling, (rotation * Math.PI) / 180),
    rescaling: spread(filters.rescaling),
    rotation: spread(filters.rotation),
    reordered: count > 20 ? 2 : 0,
    filters,
  };
}

const layers = inspection.layers.map((_, i) => makeLayer(i));
const side = { run: 'fashion-tanh', data: 'fashion-mnist-sample', weights: 61_216 };

/** Two epochs of one run, five layers. */
export const sameNetwork: WeightComparison = {
  a: {
    ...side,
    file: '/runs/fashion-tanh/checkpoints/epoch-0002.dcnet.safetensors',
    name: 'epoch-0002',
    epoch: 2,
    step: 158,
    testAccuracy: 0.802,
    testLoss: 0.61,
  },
  b: {
    ...side,
    file: '/runs/fashion-tanh/checkpoints/epoch-0008.dcnet.safetensors',
    name: 'epoch-0008',
    epoch: 8,
    step: 632,
    testAccuracy: 0.866,
    testLoss: 0.42,
  },
  config: [],
  layers,
  onlyA: [],
  onlyB: [],
};

/** Two networks that share some layers. */
export const otherNetwork: WeightComparison = {
  ...sameNetwork,
  b: {
    ...sameNetwork.b,
    run: 'fashion-ball-wide',
    name: 'best',
    weights: 148_032,
    testAccuracy: 0.791,
    testLoss: 0.68,
  },
  config: [
    { field: 'operator.magnitude', a: 'tanh', b: 'ball' },
    { field: 'optimizer.learningRate', a: '0.001', b: '0.01' },
    { field: 'layers.conv3.filters', a: '64', b: '96' },
    {
      field: 'layers, in order',
      a: 'conv1, conv2, conv3, conv4, scores',
      b: 'conv1, conv2, middle, conv4, extra, scores',
    },
    { field: 'projection.every', b: '100' },
  ],
  layers: [
    ...layers.slice(0, 2),
    {
      ...layers[2]!,
      b: 'middle',
      filters: { ...layers[2]!.filters!, onlyB: [64, 65, 66, 67, 68, 69, 70, 71, 72, 73] },
    },
    {
      a: 'conv4',
      b: 'conv4',
      type: 'conv',
      shapeA: [3, 3, 64, 64],
      shapeB: [3, 3, 96, 64],
      incomparable: 'a filter is 3 × 3 × 64 in A and 3 × 3 × 96 in B',
    },
  ],
  onlyA: ['scores'],
  onlyB: ['extra'],
};

function shifted(distribution: Distribution, scale: number, bins: number): Distribution {
  const { edges, counts } = distribution.histogram;
  return {
    ...distribution,
    histogram: {
      edges: edges.map((edge) => edge * scale),
      counts: counts.map((_, i) => counts[(i + bins + counts.length) % counts.length]!),
    },
    median: distribution.median * scale - bins,
  };
}

export const behaviour: BehaviourComparison = {
  data: 'fashion-mnist-sample',
  split: 'test',
  sampleSize: 1000,
  backend: 'wasm',
  a: { accuracy: 0.802, loss: 0.612 },
  b: { accuracy: 0.866, loss: 0.4213 },
  flips: {
    bothRight: 771,
    fixed: 95,
    broken: 31,
    bothWrongAlike: 88,
    bothWrongDifferently: 15,
    midP: 7.3e-9,
    perClass: [
      'T-shirt/top',
      'Trouser',
      'Pullover',
      'Dress',
      'Coat',
      'Sandal',
      'Shirt',
      'Sneaker',
      'Bag',
      'Ankle boot',
    ].map((name, i) => ({
      name,
      images: 100,
      fixed: [12, 1, 18, 9, 15, 4, 26, 5, 2, 3][i]!,
      broken: [5, 0, 6, 2, 7, 1, 8, 1, 0, 1][i]!,
    })),
  },
  layers: inspection.layers.map(({ name, norm, angle }, i) => {
    const [normB, angleB] = [shifted(norm, 1.18, 0), shifted(angle, 1, 4 - i * 2)];
    return {
      a: name,
      b: name,
      norm: { a: norm, b: normB, distance: wassersteinDistance(norm.histogram, normB.histogram)! },
      angle: { a: angle, b: angleB, distance: wassersteinDistance(angle.histogram, angleB.histogram)! },
      cka: 0.98 - i * 0.06,
    };
  }),
  cka: {
    images: 1000,
    batch: 100,
    layersA: inspection.layers.map(({ name }) => name),
    layersB: inspection.layers.map(({ name }) => name),
    values: inspection.layers.map((_, i) =>
      inspection.layers.map((_, j) => 0.98 - 0.06 * Math.max(i, j) - 0.17 * Math.abs(i - j)),
    ),
  },
};

export const fullComparison: Comparison = { weights: sameNetwork, behaviour: { status: 'full', behaviour } };
