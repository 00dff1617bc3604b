import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import { type AxisScale, areLogarithmic, axisScale } from '../shared/chart/axis.js';
import type { OperatorReading } from './operator.js';

/** Where everything stands, in pixels, and the scales that say so. */
export interface HeroLayout {
  readonly width: number;
  readonly height: number;
  /** ‖x‖ → x. */
  readonly norm: AxisScale;
  /** θ in degrees → y. */
  readonly angle: AxisScale;
  /** Density of ‖x‖, 0 to 1 → y of the top strip. */
  readonly normRise: (height: number) => number;
  /** Density of θ, 0 to 1 → x of the right strip. */
  readonly angleRise: (height: number) => number;
  /** h → y of the top strip. */
  readonly magnitude: AxisScale;
  /** g → x of the right strip. */
  readonly angular: AxisScale;
  readonly plot: {
    readonly left: number;
    readonly right: number;
    readonly top: number;
    readonly bottom: number;
  };
  readonly strips: {
    readonly top: number;
    readonly bottom: number;
    readonly left: number;
    readonly right: number;
  };
}

const curvePoints = 160;

/** The part of the norm axis that is shown: the data, from 0 where that is near, and the radii where they are near. */
export function normDomain(layer: LayerInspection, second?: LayerInspection): readonly [number, number] {
  const shown = second === undefined ? [layer] : [layer, second];
  const edges = shown.flatMap(({ norm, joint }) => [...norm.histogram.edges, ...joint.normEdges]);
  let [low, high] = [Math.min(...edges), Math.max(...edges)];
  if (areLogarithmic(layer.joint.normEdges)) return [low, high];
  if (low < high * 0.4) low = 0;
  const radii = shown.flatMap(({ radius }) => radius ?? []);
  const largest = Math.max(0, ...radii);
  if (largest > high && largest < high * 1.6) high = largest * 1.04;
  return [low, high > low ? high : low + 1];
}

/** Evenly spaced points along the norm axis, and the corners of h. */
export function magnitudeCurve(
  operator: OperatorReading,
  scale: AxisScale,
): readonly (readonly [norm: number, h: number])[] {
  const [from, to] = scale.range;
  const norms = Array.from({ length: curvePoints + 1 }, (_, i) =>
    scale.invert(from + ((to - from) * i) / curvePoints),
  );
  const [low, high] = scale.domain;
  const corners = operator.corners.filter((corner) => corner > low && corner < high);
  return [...norms, ...corners].sort((a, b) => a - b).map((norm) => [norm, operator.magnitude(norm)]);
}

/** g at every degree and a half. */
export function angularCurve(operator: OperatorReading): readonly (readonly [degrees: number, g: number])[] {
  return Array.from({ length: 121 }, (_, i) => [i * 1.5, operator.angular(i * 1.5)]);
}

/** @param also other curves of h and g in the same picture */
export function heroLayout(
  layer: LayerInspection,
  operator: OperatorReading,
  width: number,
  second?: LayerInspection,
  also: readonly OperatorReading[] = [],
): HeroLayout {
  const narrow = width < 480;
  const stripHeight = narrow ? 64 : 88;
  const stripWidth = narrow ? 64 : 104;
  const left = 52;
  const right = width - stripWidth - 14;
  const top = 22 + stripHeight + 28;
  const plotHeight = Math.round(Math.min(360, Math.max(190, (right - left) * 0.6)));
  const bottom = top + plotHeight;
  const norm = axisScale(normDomain(layer, second), [left, right], areLogarithmic(layer.joint.normEdges));
  const strips = { top: 22, bottom: 22 + stripHeight, left: right + 6, right: right + 6 + stripWidth };
  const curves = [operator, ...also].flatMap((reading) => magnitudeCurve(reading, norm));
  const highest = Math.max(...curves.map(([, h]) => h), 0);
  return {
    width,
    height: bottom + 36,
    norm,
    angle: axisScale([0, 180], [bottom, top]),
    normRise: (height) => strips.bottom - height * (stripHeight - 4),
    angleRise: (height) => strips.left + height * (stripWidth - 4),
    magnitude: axisScale([0, highest > 0 ? highest * 1.08 : 1], [strips.bottom, strips.top]),
    angular: axisScale([-1, 1], [strips.left, strips.right - 4]),
    plot: { left, right, top, bottom },
    strips,
  };
}
