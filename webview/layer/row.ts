import type { Histogram, LayerInspection } from '../../src/core/statistics/inspection.js';
import { type AxisScale, axisScale } from '../shared/chart/axis.js';
import { densityBins, densityOutline, fullHeight } from '../shared/chart/density.js';
import { drawMarks } from '../shared/chart/draw.js';
import { area, line, type Mark, type Point, rect, rule } from '../shared/chart/marks.js';
import { html, setText, svg } from '../shared/dom.js';
import { percent, short } from '../shared/format.js';
import type { Row } from '../shared/listbox.js';
import { normDomain } from './layout.js';
import { measuredRegimes, readOperator } from './operator.js';

const spark = { width: 84, height: 22 } as const;
const bar = { width: 84, height: 9 } as const;

/** Outlines of densities in one picture. */
function outlines(
  histograms: readonly Histogram[],
  scale: AxisScale,
  rise: (height: number) => number,
): readonly (readonly Point[])[] {
  const tallest = fullHeight(histograms, scale);
  return histograms.map((histogram) =>
    densityOutline(densityBins(histogram, scale, tallest), scale, rise, 'x'),
  );
}

/** Density of ‖x‖ with the radius as a hairline. */
function normSparkline(layer: LayerInspection, second: LayerInspection | undefined): readonly Mark[] {
  const scale = axisScale(normDomain(layer, second), [0, spark.width]);
  const rise = (height: number): number => spark.height - height * (spark.height - 2);
  const histograms = [layer.norm.histogram, ...(second ? [second.norm.histogram] : [])];
  const [outline, other] = outlines(histograms, scale, rise);
  const { radius } = readOperator(layer);
  const shown = radius !== undefined && radius <= scale.domain[1];
  return [
    area('density', 'norm', outline!, { y: spark.height }),
    ...(other ? [line('second', 'norm second', other)] : []),
    rule('base', 'frame-line', [0, spark.height], [spark.width, spark.height]),
    ...(shown ? [rule('radius', 'radius', [scale(radius), 0], [scale(radius), spark.height])] : []),
  ];
}

/** Density of θ with 90° as a hairline. */
function angleSparkline(layer: LayerInspection, second: LayerInspection | undefined): readonly Mark[] {
  const scale = axisScale([0, 180], [0, spark.width]);
  const rise = (height: number): number => spark.height - height * (spark.height - 2);
  const histograms = [layer.angle.histogram, ...(second ? [second.angle.histogram] : [])];
  const [outline, other] = outlines(histograms, scale, rise);
  return [
    area('density', 'angle', outline!, { y: spark.height }),
    ...(other ? [line('second', 'angle second', other)] : []),
    rule('base', 'frame-line', [0, spark.height], [spark.width, spark.height]),
    rule('right-angle', 'grid', [scale(90), 0], [scale(90), spark.height]),
  ];
}

/** Shares below (filled) and beyond (hatched) the radius as parts of a bar. */
export function regimeBar(layer: LayerInspection, width: number, height: number): readonly Mark[] {
  const below = layer.regimes?.find(({ name }) => name === 'below the radius')?.share ?? 0;
  const split = 0.5 + (width - 1) * below;
  return [
    rect('below', 'below', { x: 0.5, y: 0.5, width: split - 0.5, height: height - 1 }),
    rect('beyond', 'beyond', { x: split, y: 0.5, width: width - 0.5 - split, height: height - 1 }),
  ];
}

function beyondShare(layer: LayerInspection): number | undefined {
  return measuredRegimes(layer).find(({ name }) => name === 'beyond the radius')?.share;
}

/** A layer, and the same layer of the checkpoint compared with. */
export interface RowItem {
  readonly layer: LayerInspection;
  readonly second: LayerInspection | undefined;
}

/** A layer in the list: its name, two sparklines and its regime bar. */
export function layerRow(): Row<RowItem> {
  const name = html('span', { class: 'row-name' });
  const operator = html('span', { class: 'row-operator' });
  const norm = svg('svg', { class: 'spark', ...spark, 'aria-hidden': 'true' });
  const angle = svg('svg', { class: 'spark', ...spark, 'aria-hidden': 'true' });
  const regimes = svg('svg', { class: 'regime-bar', ...bar, 'aria-hidden': 'true' });
  const share = html('span', { class: 'row-share' });
  return {
    element: html(
      'div',
      { class: 'layer-row' },
      html('div', { class: 'row-title' }, name, operator),
      html('div', { class: 'row-sparks' }, norm, angle),
      html('div', { class: 'row-regimes' }, regimes, share),
    ),
    update({ layer, second }) {
      const kind =
        layer.operator === 'inner-product'
          ? `plain ${layer.type}`
          : readOperator(layer).name.split(' · ')[0]!;
      const beyond = beyondShare(layer);
      setText(name, layer.name);
      setText(operator, kind);
      drawMarks(norm, normSparkline(layer, second));
      drawMarks(angle, angleSparkline(layer, second));
      regimes.toggleAttribute('hidden', beyond === undefined);
      if (beyond !== undefined) drawMarks(regimes, regimeBar(layer, bar.width, bar.height));
      const measured = layer.patches > 0;
      const missing = measured ? 'no radius' : 'nothing measured';
      setText(share, beyond === undefined ? missing : `${percent(beyond)} beyond R`);
      if (!measured) return '';
      return `median norm ${short(layer.norm.median)}, median angle ${short(layer.angle.median)}°`;
    },
  };
}
