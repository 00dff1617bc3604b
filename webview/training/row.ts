import { axisScale } from '../shared/chart/axis.js';
import { drawMarks } from '../shared/chart/draw.js';
import { area, dot, line, type Mark, type Point, rule } from '../shared/chart/marks.js';
import { html, setText, svg } from '../shared/dom.js';
import { inColumn } from '../shared/format.js';
import type { Row } from '../shared/listbox.js';
import type { LayerHistory } from './series.js';

const spark = { width: 180, height: 26 } as const;

/** E‖x‖ over the epochs, filled, with R over it. */
function healthSparkline(layer: LayerHistory): readonly Mark[] {
  const { points } = layer;
  const highest = Math.max(...points.flatMap((p) => [p.meanPatchNorm, p.radius ?? 0]), 0);
  const x = axisScale([0, Math.max(1, points.length - 1)], [1, spark.width - 1]);
  const y = axisScale([0, highest || 1], [spark.height, 2]);
  const norms = points.map((p, i): Point => [x(i), y(p.meanPatchNorm)]);
  const radii = points.flatMap((p, i): Point[] => (p.radius === undefined ? [] : [[x(i), y(p.radius)]]));
  return [
    area('norms', 'norm', norms, { y: spark.height }),
    ...(norms.length === 1 ? [dot('norm', 'norm', norms[0]!, 2.5)] : []),
    rule('base', 'frame-line', [0, spark.height], [spark.width, spark.height]),
    { ...line('radii', '', radii), className: 'radius-history' },
    ...(radii.length === 1 ? [dot('radius', 'plain', radii[0]!, 2)] : []),
  ];
}

/** A decoupled layer in the list: how its patch norm and its radius went. */
export function healthRow(): Row<LayerHistory> {
  const name = html('span', { class: 'row-name' });
  const numbers = html('span', { class: 'row-numbers' });
  const picture = svg('svg', { class: 'spark', ...spark, 'aria-hidden': 'true' });
  return {
    element: html('div', { class: 'layer-row' }, name, picture, numbers),
    update(layer) {
      const last = layer.points.at(-1);
      const norm = last === undefined ? '–' : inColumn(last.meanPatchNorm);
      const radius = last?.radius === undefined ? 'no radius' : `R ${inColumn(last.radius)}`;
      setText(name, layer.name);
      setText(numbers, `E‖x‖ ${norm} · ${radius}`);
      drawMarks(picture, healthSparkline(layer));
      const first = layer.points[0];
      return first === undefined
        ? ''
        : `mean patch norm ${inColumn(first.meanPatchNorm)} after epoch ${first.epoch}`;
    },
  };
}
