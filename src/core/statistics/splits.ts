import { distribution, linearEdges } from './histogram.js';
import type { Inspection, LayerInspection, Selection } from './inspection.js';

/** Images are counted in groups: of one class, and those the network is right or wrong about. */
export function groupOf(label: number, isRight: boolean): number {
  return 2 * label + Number(isRight);
}

/** The groups of a selection, of `classes` classes. */
export function groupsOf({ label, outcome }: Selection, classes: number): number[] {
  const labels = label === undefined ? Array.from({ length: classes }, (_, i) => i) : [label];
  const outcomes = outcome === undefined ? [false, true] : [outcome === 'right'];
  return labels.flatMap((of) => outcomes.map((isRight) => groupOf(of, isRight)));
}

/** What is counted of one group in one layer. Angles enter the sums as 90° − θ. */
export interface GroupCounts {
  readonly strong: number;
  readonly weak: number;
  readonly normSum: number;
  readonly normSquares: number;
  readonly leastNorm: number;
  readonly greatestNorm: number;
  readonly complementSum: number;
  readonly complementSquares: number;
  readonly leastComplement: number;
  readonly greatestComplement: number;
  /** Pairs beyond their filter's radius. */
  readonly beyond: number;
  /** In the bins of the layer's own distribution of norms. */
  readonly norms: ArrayLike<number>;
  /** In the bins of the layer's own distribution of angles. */
  readonly angles: ArrayLike<number>;
  /** Row-major [norm bin][angle bin]; coarser than the layer's own. */
  readonly joint: ArrayLike<number>;
}

/** The counts of a layer by group. */
export interface LayerGroups {
  readonly name: string;
  readonly jointNormEdges: readonly number[];
  /** In the order of {@link groupOf}. */
  readonly groups: readonly GroupCounts[];
}

/** Angle bins of the groups' joint counts. */
export const groupAngleBins = 30;

/** Mean, deviation and extremes of 90° − θ as those of θ. */
export function angleMoments(counts: Omit<GroupCounts, 'norms' | 'angles' | 'joint'>, filters: number) {
  const count = counts.strong * filters;
  const { complementSum, complementSquares, leastComplement, greatestComplement } = counts;
  return {
    count,
    sum: 90 * count - complementSum,
    sumOfSquares: 8100 * count - 180 * complementSum + complementSquares,
    minimum: 90 - greatestComplement,
    maximum: 90 - leastComplement,
  };
}

/** Shares of pairs below and beyond the radius; of no pairs both are 0. */
export function regimesOf(beyond: number, pairs: number): NonNullable<LayerInspection['regimes']> {
  return [
    { name: 'below the radius', share: pairs === 0 ? 0 : 1 - beyond / pairs },
    { name: 'beyond the radius', share: pairs === 0 ? 0 : beyond / pairs },
  ];
}

/** A layer as some groups' images see it. Its filters and their responses stay those of all images. */
function restrictLayer(
  layer: LayerInspection,
  { groups, jointNormEdges }: LayerGroups,
  chosen: readonly number[],
): LayerInspection {
  const parts = chosen.flatMap((group) => groups[group] ?? []);
  const sum = (value: (counts: GroupCounts) => number): number =>
    parts.reduce((total, part) => total + value(part), 0);
  const sums = (of: (counts: GroupCounts) => ArrayLike<number>, length: number): number[] =>
    Array.from({ length }, (_, i) => sum((part) => of(part)[i]!));
  const least = (value: (counts: GroupCounts) => number): number => Math.min(...parts.map(value));
  const total = {
    strong: sum(({ strong }) => strong),
    weak: sum(({ weak }) => weak),
    normSum: sum(({ normSum }) => normSum),
    normSquares: sum(({ normSquares }) => normSquares),
    leastNorm: least(({ leastNorm }) => leastNorm),
    greatestNorm: -least(({ greatestNorm }) => -greatestNorm),
    complementSum: sum(({ complementSum }) => complementSum),
    complementSquares: sum(({ complementSquares }) => complementSquares),
    leastComplement: least(({ leastComplement }) => leastComplement),
    greatestComplement: -least(({ greatestComplement }) => -greatestComplement),
    beyond: sum(({ beyond }) => beyond),
  };
  const { norm, angle, filters } = layer;
  const norms = sums((part) => part.norms, norm.histogram.counts.length);
  const angles = sums((part) => part.angles, angle.histogram.counts.length);
  const { regimes, ...rest } = layer;
  return {
    ...rest,
    patches: total.strong,
    weakPatches: total.weak,
    norm: distribution(norm.histogram.edges, norms, {
      count: total.strong,
      sum: total.normSum,
      sumOfSquares: total.normSquares,
      minimum: total.leastNorm,
      maximum: total.greatestNorm,
    }),
    angle: distribution(angle.histogram.edges, angles, angleMoments(total, filters)),
    joint: {
      normEdges: [...jointNormEdges],
      angleEdges: linearEdges(0, 180, groupAngleBins),
      counts: sums((part) => part.joint, (jointNormEdges.length - 1) * groupAngleBins),
    },
    ...(regimes === undefined ? {} : { regimes: regimesOf(total.beyond, total.strong * filters) }),
  };
}

/** An inspection as some of its images give it. @param layers in the inspection's order */
export function restrictInspection(
  inspection: Inspection,
  layers: readonly LayerGroups[],
  selection: Selection,
): Inspection {
  const { classes } = inspection;
  const chosen = groupsOf(selection, classes.length);
  const counted =
    selection.label === undefined ? classes : classes.slice(selection.label, selection.label + 1);
  const images = counted.reduce((sum, of) => sum + of.images, 0);
  const correct = counted.reduce((sum, of) => sum + of.correct, 0);
  const right = selection.outcome === 'wrong' ? 0 : correct;
  const wrong = selection.outcome === 'right' ? 0 : images - correct;
  const sampleSize = right + wrong;
  return {
    ...inspection,
    sampleSize,
    accuracy: sampleSize === 0 ? 0 : right / sampleSize,
    selection,
    layers: inspection.layers.map((layer) => {
      const groups = layers.find(({ name }) => name === layer.name);
      if (groups === undefined) throw new Error(`There are no groups of ${layer.name}.`);
      return restrictLayer(layer, groups, chosen);
    }),
  };
}
