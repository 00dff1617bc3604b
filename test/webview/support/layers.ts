import type { Distribution, Inspection, LayerInspection } from '../../../src/core/statistics/inspection.js';
import { normal } from './random.js';

/** Synthetic layers: drawn from distributions of plausible shape, then counted by the small code below. */
interface Recipe {
  readonly name: string;
  readonly index: number;
  readonly type?: 'conv' | 'dense';
  readonly operator: LayerInspection['operator'];
  readonly filters: number;
  readonly medianNorm: number;
  readonly normSpread: number;
  /** Mean angle, and how far it leans towards the filters as norms grow. */
  readonly angle: number;
  readonly lean: number;
  readonly angleSpread: number;
  readonly rho?: number;
  readonly k?: number;
  readonly shape: readonly [number[], number[]];
  readonly weakPatches: number;
}

const samples = 120_000;

function linearEdges(from: number, to: number, bins: number): number[] {
  return Array.from({ length: bins + 1 }, (_, i) => from + ((to - from) * i) / bins);
}

function binOf(edges: readonly number[], value: number): number {
  const bins = edges.length - 1;
  const [from, to] = [edges[0]!, edges[bins]!];
  return Math.min(bins - 1, Math.max(0, Math.floor(((value - from) / (to - from)) * bins)));
}

function distribution(values: readonly number[], edges: readonly number[]): Distribution {
  const counts = edges.slice(1).map(() => 0);
  for (const value of values) counts[binOf(edges, value)]! += 1;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))]!;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return {
    histogram: { edges: [...edges], counts },
    count: values.length,
    mean,
    deviation: Math.sqrt(variance),
    minimum: sorted[0]!,
    maximum: sorted.at(-1)!,
    p05: at(0.05),
    median: at(0.5),
    p95: at(0.95),
  };
}

function makeLayer(recipe: Recipe, seed: number): LayerInspection {
  const next = normal(seed);
  const norms: number[] = [];
  const angles: number[] = [];
  for (let i = 0; i < samples; i++) {
    const z = next();
    norms.push(recipe.medianNorm * Math.exp(recipe.normSpread * Math.max(-4, Math.min(3, z))));
    angles.push(Math.min(179.9, Math.max(0.1, recipe.angle - recipe.lean * z + recipe.angleSpread * next())));
  }
  const largest = norms.reduce((best, value) => Math.max(best, value), 0);
  const normEdges = linearEdges(0, largest, 64);
  const angleEdges = linearEdges(0, 180, 60);
  const counts = Array.from({ length: 64 * 60 }, () => 0);
  norms.forEach((norm, i) => {
    counts[binOf(normEdges, norm) * 60 + binOf(angleEdges, angles[i]!)]! += 1;
  });
  const normDistribution = distribution(norms, linearEdges(0, largest, 128));
  const jitter = Array.from({ length: recipe.filters }, () => next());
  const rho = recipe.rho === undefined ? undefined : jitter.map((z) => recipe.rho! * (1 + 0.08 * z));
  const adaptive = recipe.operator !== 'inner-product' && recipe.operator.radius === 'adaptive';
  const scale = adaptive ? normDistribution.mean : 1;
  const radius = rho?.map((value) => value * scale);
  const pairs = norms.length * (radius?.length ?? 0);
  const below = radius?.reduce((sum, r) => sum + norms.filter((norm) => norm <= r).length, 0);
  return {
    name: recipe.name,
    index: recipe.index,
    type: recipe.type ?? 'conv',
    operator: recipe.operator,
    inputShape: recipe.shape[0],
    outputShape: recipe.shape[1],
    filters: recipe.filters,
    patches: samples,
    weakPatches: recipe.weakPatches,
    floor: 0.01,
    norm: normDistribution,
    angle: distribution(angles, linearEdges(0, 180, 180)),
    joint: { normEdges, angleEdges, counts },
    weightNorms: jitter.map((z) => Math.abs(1 + 0.1 * z + 0.05 * next())),
    meanAngles: jitter.map((z) => recipe.angle + 3 * z),
    meanResponses: jitter.map((z) => Math.abs(0.3 + 0.2 * z)),
    deadShares: jitter.map((z) => Math.min(1, Math.max(0, 0.45 + 0.25 * z))),
    silent: recipe.type === 'dense' ? 0.002 : 0,
    nearestAngles: jitter.map((z) => 62 + 6 * z),
    energy: 0.53,
    ...(rho && radius ? { rho, radius } : {}),
    ...(adaptive ? { meanPatchNorm: scale } : {}),
    ...(recipe.k === undefined ? {} : { k: jitter.map((z) => recipe.k! * (1 + 0.1 * z)) }),
    ...(below === undefined
      ? {}
      : {
          regimes: [
            { name: 'below the radius' as const, share: below / pairs },
            { name: 'beyond the radius' as const, share: 1 - below / pairs },
          ],
        }),
  };
}

type Decoupled = Exclude<LayerInspection['operator'], 'inner-product'>;

const operator = (
  magnitude: Decoupled['magnitude'],
  angular: Decoupled['angular'],
  radius: 'adaptive' | 'fixed' = 'adaptive',
): Decoupled => ({ magnitude, angular, alpha: 1, beta: 0.5, radius });

const recipes: readonly Recipe[] = [
  {
    name: 'conv1',
    index: 0,
    operator: operator('tanh', 'cosine'),
    filters: 16,
    medianNorm: 1.9,
    normSpread: 0.4,
    angle: 84,
    lean: 9,
    angleSpread: 21,
    rho: 1.02,
    shape: [
      [28, 28, 1],
      [28, 28, 16],
    ],
    weakPatches: 312_448,
  },
  {
    name: 'conv2',
    index: 2,
    operator: operator('tanh', 'square-cosine'),
    filters: 32,
    medianNorm: 5.2,
    normSpread: 0.27,
    angle: 82,
    lean: 6,
    angleSpread: 12,
    rho: 0.91,
    shape: [
      [14, 14, 16],
      [14, 14, 32],
    ],
    weakPatches: 1_204,
  },
  {
    name: 'conv3',
    index: 4,
    operator: operator('ball', 'sigmoid'),
    filters: 64,
    medianNorm: 7.4,
    normSpread: 0.21,
    angle: 79,
    lean: 5,
    angleSpread: 9,
    rho: 1.25,
    k: 0.3,
    shape: [
      [7, 7, 32],
      [7, 7, 64],
    ],
    weakPatches: 0,
  },
  {
    name: 'conv4',
    index: 5,
    operator: operator('seg', 'linear', 'fixed'),
    filters: 64,
    medianNorm: 9.1,
    normSpread: 0.16,
    angle: 86,
    lean: 3,
    angleSpread: 7,
    rho: 8.2,
    shape: [
      [7, 7, 64],
      [7, 7, 64],
    ],
    weakPatches: 0,
  },
  {
    name: 'scores',
    index: 8,
    type: 'dense',
    operator: 'inner-product',
    filters: 10,
    medianNorm: 11.5,
    normSpread: 0.12,
    angle: 88,
    lean: -2,
    angleSpread: 16,
    shape: [[64], [10]],
    weakPatches: 0,
  },
];

/** A layer in which 30 % of the patches have one norm and one angle, as an image's flat background gives. */
export function makePeakedLayer(): LayerInspection {
  const layer = makeLayer(recipes[1]!, 12);
  const raise = (counts: readonly number[], bin: number): number[] =>
    counts.map((value, i) => (i === bin ? value + peak : value));
  const peak = Math.round((samples * 0.3) / 0.7);
  const add = (distribution: Distribution, bin: number): Distribution => ({
    ...distribution,
    histogram: { ...distribution.histogram, counts: raise(distribution.histogram.counts, bin) },
    count: distribution.count + peak,
  });
  return {
    ...layer,
    name: 'peaked',
    patches: samples + peak,
    norm: add(layer.norm, 70),
    angle: add(layer.angle, 95),
    joint: { ...layer.joint, counts: raise(layer.joint.counts, 35 * 60 + 31) },
  };
}

/** A layer that no patch reaches: every patch is under the floor. */
export function makeDeadLayer(): LayerInspection {
  const layer = makeLayer(recipes[0]!, 3);
  const nothing = (distribution: Distribution): Distribution => ({
    histogram: { edges: distribution.histogram.edges, counts: distribution.histogram.counts.map(() => 0) },
    count: 0,
    mean: 0,
    deviation: 0,
    minimum: 0,
    maximum: 0,
    p05: 0,
    median: 0,
    p95: 0,
  });
  return {
    ...layer,
    patches: 0,
    weakPatches: 784_000,
    norm: nothing(layer.norm),
    angle: nothing(layer.angle),
    joint: { ...layer.joint, counts: layer.joint.counts.map(() => 0) },
    regimes: layer.regimes!.map(({ name }) => ({ name, share: 0 })),
  };
}

const classNames = [
  't-shirt',
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

/** A whole synthetic inspection of five layers: adaptive and fixed radii, a sigmoid, and a plain layer. */
export function makeInspection(): Inspection {
  return {
    version: 1,
    run: 'fashion-tanh',
    checkpoint: 'epoch-0008.dcnet.safetensors',
    checkpointSha256: '0'.repeat(64),
    epoch: 8,
    step: 632,
    data: 'fashion-mnist-sample',
    split: 'test',
    sampleSize: 1000,
    accuracy: 0.866,
    classes: classNames.map((name, i) => ({ name, images: 100, correct: 78 + 2 * i - (i === 6 ? 25 : 0) })),
    backend: 'wasm',
    layers: recipes.map((recipe, i) => makeLayer(recipe, 11 + i)),
  };
}
