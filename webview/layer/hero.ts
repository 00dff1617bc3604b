import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { Picture } from '../shared/chart/content.js';
import { type DensityBin, densityBins, densityOutline, fullHeight } from '../shared/chart/density.js';
import { densestOutline, heatmap } from '../shared/chart/heatmap.js';
import { area, line, type Mark, type Point, rect, roomFor, rule, words } from '../shared/chart/marks.js';
import { inColumn, percent } from '../shared/format.js';
import { jointCursor } from './cursor.js';
import { angularCurve, type HeroLayout, heroLayout, magnitudeCurve } from './layout.js';
import { measuredRegimes, type OperatorReading, readOperator } from './operator.js';

/** The radius: a hairline with its value through both pictures of ‖x‖, the band and ticks of the filters' own. */
function radiusMarks(layer: LayerInspection, operator: OperatorReading, layout: HeroLayout): readonly Mark[] {
  const { norm, plot, strips } = layout;
  const { radius } = operator;
  if (radius === undefined) return [];
  const inside = (value: number): boolean => value >= norm.domain[0] && value <= norm.domain[1];
  if (!inside(radius)) {
    const away = radius > norm.domain[1];
    const text = away ? `R ${inColumn(radius)} →` : `← R ${inColumn(radius)}`;
    const anchor = away ? 'end' : 'start';
    return [words('radius-value', 'value', [away ? plot.right : plot.left, 12], text, { anchor })];
  }
  const x = norm(radius);
  const radii = (layer.radius ?? []).filter(inside);
  const [low, high] = [Math.min(...radii), Math.max(...radii)];
  const label = `R ${inColumn(radius)}`;
  const half = roomFor(label) / 2 + 6;
  const middle = Math.min(plot.right - half, Math.max(plot.left + half, x));
  const sides = measuredRegimes(layer).flatMap((regime) => {
    const beyond = regime.name === 'beyond the radius';
    const text = beyond ? `${percent(regime.share)} beyond →` : `← ${percent(regime.share)} below`;
    const at = beyond ? middle + half : middle - half;
    const fits = beyond ? at + roomFor(text) < layout.width : at - roomFor(text) > 0;
    return fits
      ? [words(`side-${beyond}`, 'label', [at, 12], text, { anchor: beyond ? 'start' : 'end' })]
      : [];
  });
  return [
    rect('radius-band', 'radius-band', {
      x: norm(low),
      y: strips.top,
      width: norm(high) - norm(low),
      height: strips.bottom - strips.top,
    }),
    ...radii.map((value, i) =>
      rule(
        `filter-radius-${i}`,
        'filter-tick',
        [norm(value), strips.bottom + 3],
        [norm(value), strips.bottom + 9],
      ),
    ),
    rule('radius', 'radius', [x, strips.top - 4], [x, plot.bottom], { 'data-value': radius }),
    words('radius-value', 'value', [middle, 12], label, { anchor: 'middle' }),
    ...sides,
  ];
}

/** The share of a bin of full height as the axis of a density. */
function shareAxis(
  key: string,
  at: 'left' | 'bottom',
  bins: readonly DensityBin[],
  edge: number,
  rise: (height: number) => number,
): readonly Mark[] {
  const tallest = bins.reduce((best, bin) => (!bin.cut && bin.height > best.height ? bin : best), {
    height: 0,
    share: 0,
  });
  const full = tallest.height > 0 ? tallest.share / tallest.height : 1;
  const scale = axisScale([0, full], [rise(0), rise(1)]);
  const format = (share: number): string => (share === 0 ? '0' : percent(share));
  return axis({ key, at, edge, scale, ticks: tallest.height > 0 ? [0, full] : [0], format });
}

/** At most so many cut bins are told of: more would hide the picture. */
const mostCuts = 3;

/** Bins of ‖x‖ that rise above the strip: a cut through the bar, and beside it how much it really is. */
function cutNormMarks(bins: readonly DensityBin[], { norm, strips, plot }: HeroLayout): readonly Mark[] {
  return tallestCuts(bins).flatMap((bin): Mark[] => {
    const [left, right] = [norm(bin.from), norm(bin.to)];
    const text = percent(bin.share);
    const before = left - 4 - roomFor(text) > plot.left;
    const at: Point = [before ? left - 4 : right + 4, (strips.top + strips.bottom) / 2 + 4];
    return [
      rule(`norm-cut-${bin.from}`, 'cut', [left - 3, strips.top + 15], [right + 3, strips.top + 9]),
      words(`norm-cut-label-${bin.from}`, 'value', at, text, { anchor: before ? 'end' : 'start' }),
    ];
  });
}

/** The same for bins of θ, which rise to the right. */
function cutAngleMarks(bins: readonly DensityBin[], { angle, strips }: HeroLayout): readonly Mark[] {
  return tallestCuts(bins).flatMap((bin): Mark[] => {
    const [low, high] = [angle(bin.from), angle(bin.to)];
    return [
      rule(`angle-cut-${bin.from}`, 'cut', [strips.right - 15, low + 3], [strips.right - 9, high - 3]),
      words(`angle-cut-label-${bin.from}`, 'value', [strips.right - 4, high - 4], percent(bin.share), {
        anchor: 'end',
      }),
    ];
  });
}

function tallestCuts(bins: readonly DensityBin[]): readonly DensityBin[] {
  return bins
    .filter(({ cut }) => cut)
    .sort((a, b) => b.share - a.share)
    .slice(0, mostCuts);
}

/** The densities, h and g of the checkpoint compared with, and where most of its pairs lie. */
function secondMarks(
  second: LayerInspection,
  operator: OperatorReading,
  layout: HeroLayout,
  tallest: Tallest,
): readonly Mark[] {
  const { norm, angle, plot, strips } = layout;
  const { normEdges, angleEdges, counts } = second.joint;
  const { radius } = operator;
  const shown = radius !== undefined && radius >= norm.domain[0] && radius <= norm.domain[1];
  const normBins = densityBins(second.norm.histogram, norm, tallest.norm);
  const angleBins = densityBins(second.angle.histogram, angle, tallest.angle);
  return [
    densestOutline(
      'joint-second',
      'line plain second',
      normEdges.map(norm),
      angleEdges.map(angle),
      counts,
      mostOfB,
    ),
    line('norm-second', 'norm second', densityOutline(normBins, norm, layout.normRise, 'x')),
    line('angle-second', 'angle second', densityOutline(angleBins, angle, layout.angleRise, 'y')),
    ...curveMarks('second', 'second', operator, layout),
    ...(shown
      ? [rule('radius-second', 'radius second', [norm(radius), strips.top - 4], [norm(radius), plot.bottom])]
      : []),
  ];
}

/** h and g. */
function curveMarks(
  key: string,
  look: '' | 'second',
  operator: OperatorReading,
  { norm, angle, magnitude, angular }: HeroLayout,
): readonly Mark[] {
  const h = magnitudeCurve(operator, norm).map(([x, value]): Point => [norm(x), magnitude(value)]);
  const g = angularCurve(operator).map(([degrees, value]): Point => [angular(value), angle(degrees)]);
  return [
    line(key === '' ? 'h-line' : `h-${key}`, `norm ${look}`.trim(), h),
    line(key === '' ? 'g-line' : `g-${key}`, `angle ${look}`.trim(), g),
  ];
}

/** The radius as it would be: h with it, and its hairline. */
function movedMarks(operator: OperatorReading, layout: HeroLayout): readonly Mark[] {
  const { norm, strips, plot } = layout;
  const radius = operator.radius!;
  const label = `R → ${inColumn(radius)}`;
  const half = roomFor(label) / 2;
  const x = norm(radius);
  const middle = Math.min(plot.right - half, Math.max(plot.left + half, x));
  return [
    curveMarks('moved', 'second', operator, layout)[0]!,
    rule('radius-moved', 'radius moved', [x, strips.top - 4], [x, plot.bottom], { 'data-value': radius }),
    words('radius-moved-value', 'value', [middle, plot.top - 6], label, { anchor: 'middle' }),
  ];
}

/** Share per pixel that has full height, along either axis. */
interface Tallest {
  readonly norm: number;
  readonly angle: number;
}

function stripMarks(
  layer: LayerInspection,
  operator: OperatorReading,
  layout: HeroLayout,
  tallest: Tallest,
): readonly Mark[] {
  const { norm, angle, plot, strips, magnitude, angular } = layout;
  const normBins = densityBins(layer.norm.histogram, norm, tallest.norm);
  const angleBins = densityBins(layer.angle.histogram, angle, tallest.angle);
  const highest = magnitude.domain[1] / 1.08;
  return [
    area('norm-density', 'norm', densityOutline(normBins, norm, layout.normRise, 'x'), { y: strips.bottom }),
    area('angle-density', 'angle', densityOutline(angleBins, angle, layout.angleRise, 'y'), {
      x: strips.left,
    }),
    ...cutNormMarks(normBins, layout),
    ...cutAngleMarks(angleBins, layout),
    rule('norm-base', 'frame-line', [plot.left, strips.bottom], [plot.right, strips.bottom]),
    rule('angle-base', 'frame-line', [strips.left, plot.top], [strips.left, plot.bottom]),
    rule('g-zero', 'grid', [angular(0), plot.top], [angular(0), plot.bottom]),
    ...curveMarks('', '', operator, layout),
    ...shareAxis('norm-share', 'left', normBins, plot.left, layout.normRise),
    ...shareAxis('angle-share', 'bottom', angleBins, plot.bottom, layout.angleRise),
    ...axis({ key: 'h', at: 'right', edge: plot.right, scale: magnitude, ticks: [0, highest] }),
    words('h-title', 'value', [plot.right + 8, (strips.top + strips.bottom) / 2 + 4], 'h(‖x‖)'),
    ...axis({ key: 'g', at: 'top', edge: plot.top, scale: angular, ticks: [-1, 0, 1] }),
    words('g-title', 'value', [(strips.left + strips.right) / 2, plot.top - 20], 'g(θ)', {
      anchor: 'middle',
    }),
  ];
}

/** What the hero shows. */
export interface HeroSubject {
  readonly layer: LayerInspection;
  /** Draw h and g with this filter's parameters. */
  readonly filter?: number | undefined;
  /** The same layer of the checkpoint compared with. */
  readonly second?: LayerInspection | undefined;
  /** The radius as it would be. */
  readonly movedRadius?: number | undefined;
}

/** Share of B's pairs inside its outline. */
const mostOfB = 0.8;

/**
 * The layer panel's hero: joint density of ‖x‖ × θ, on its top edge the density of ‖x‖ under h, on its right edge
 * the density of θ under g.
 * @param width of the page's column, pixels
 */
export function drawHero({ layer, filter, second, movedRadius }: HeroSubject, width: number): Picture {
  const operator = readOperator(layer, filter);
  const moved = movedRadius === undefined ? undefined : readOperator(layer, filter, movedRadius);
  const other = second && readOperator(second);
  const also = [moved, other].filter((reading) => reading !== undefined);
  const layout = heroLayout(layer, operator, width, second, also);
  const shown = second === undefined ? [layer] : [layer, second];
  const tallest = {
    norm: fullHeight(
      shown.map((of) => of.norm.histogram),
      layout.norm,
    ),
    angle: fullHeight(
      shown.map((of) => of.angle.histogram),
      layout.angle,
    ),
  };
  const { norm, angle, plot } = layout;
  const { normEdges, angleEdges, counts } = layer.joint;
  const normTitle = `‖x‖, patch norm${norm.logarithmic ? ' (log scale)' : ''}`;
  const marks: Mark[] = [
    ...heatmap('joint', normEdges.map(norm), angleEdges.map(angle), counts),
    rule('right-angle', 'grid', [plot.left, angle(90)], [plot.right, angle(90)]),
    rect('plot', 'frame-line', {
      x: plot.left,
      y: plot.top,
      width: plot.right - plot.left,
      height: plot.bottom - plot.top,
    }),
    ...stripMarks(layer, operator, layout, tallest),
    ...(second && other ? secondMarks(second, other, layout, tallest) : []),
    ...(moved ? movedMarks(moved, layout) : []),
    ...radiusMarks(layer, operator, layout),
    ...axis({
      key: 'norm',
      at: 'bottom',
      edge: plot.bottom,
      scale: norm,
      ticks: Math.max(3, Math.floor((plot.right - plot.left) / 70)),
    }),
    ...axis({
      key: 'angle',
      at: 'left',
      edge: plot.left,
      scale: angle,
      ticks: [0, 45, 90, 135, 180],
      format: (value) => `${value}°`,
    }),
    words('norm-title', 'value', [(plot.left + plot.right) / 2, plot.bottom + 31], normTitle, {
      anchor: 'middle',
    }),
    words('angle-title', 'value', [11, (plot.top + plot.bottom) / 2], 'θ, angle to the filter', {
      anchor: 'middle',
      turned: true,
    }),
    words(
      'angle-share-title',
      'label',
      [(layout.strips.left + layout.strips.right) / 2, plot.bottom + 31],
      'per bin',
      { anchor: 'middle' },
    ),
    words('norm-share-title', 'label', [11, (layout.strips.top + layout.strips.bottom) / 2], 'per bin', {
      anchor: 'middle',
      turned: true,
    }),
  ];
  return { width, height: layout.height, marks, cursor: jointCursor(layer, operator, layout) };
}
