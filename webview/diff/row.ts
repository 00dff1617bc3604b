import { axisScale } from '../shared/chart/axis.js';
import { drawMarks } from '../shared/chart/draw.js';
import { type Mark, rect, rule } from '../shared/chart/marks.js';
import { html, setText, svg } from '../shared/dom.js';
import { short } from '../shared/format.js';
import type { Row } from '../shared/listbox.js';
import { layerWords, signed } from './content.js';
import type { ListedLayer } from './order.js';

const spark = { width: 84, height: 10 } as const;

/** A listed layer with the scales that all rows share. */
export interface ScaledLayer extends ListedLayer {
  readonly widestRescaling: number;
  readonly furthestRotation: number;
}

function bars(
  { layer, widestRescaling, furthestRotation }: ScaledLayer,
  kind: 'norm' | 'angle',
): readonly Mark[] {
  const spread = kind === 'norm' ? layer?.rescaling : layer?.rotation;
  if (spread === undefined) return [];
  const domain =
    kind === 'norm' ? ([-widestRescaling, widestRescaling] as const) : ([0, furthestRotation] as const);
  const scale = axisScale(domain, [0, spark.width]);
  const [from, to] = [scale(Math.min(0, spread.median)), scale(Math.max(0, spread.median))];
  return [
    rule('zero', 'frame-line', [scale(0), 0], [scale(0), spark.height]),
    rect('bar', `area ${kind} bar`, {
      x: from,
      y: 1,
      width: Math.max(1, to - from),
      height: spark.height - 2,
    }),
  ];
}

/** A layer in the list: its name and its bar pair. */
export function layerRow(): Row<ScaledLayer> {
  const name = html('span', { class: 'row-name' });
  const note = html('span', { class: 'row-note' });
  const norm = svg('svg', { class: 'spark', ...spark, 'aria-hidden': 'true' });
  const angle = svg('svg', { class: 'spark', ...spark, 'aria-hidden': 'true' });
  const rescaling = html('span', { class: 'row-note' });
  const rotation = html('span', { class: 'row-note' });
  const sparks = html(
    'div',
    { class: 'row-sparks' },
    html('div', { class: 'row-spark' }, norm, rescaling),
    html('div', { class: 'row-spark' }, angle, rotation),
  );
  return {
    element: html('div', { class: 'diff-row' }, html('div', { class: 'row-title' }, name, note), sparks),
    update(listed) {
      const { layer, reason } = listed;
      setText(name, listed.name);
      sparks.hidden = layer?.rotation === undefined;
      const reordered = layer?.reordered ?? 0;
      setText(note, layer?.rotation === undefined ? '' : reordered > 0 ? `${reordered} reordered` : '');
      if (layer?.rescaling === undefined || layer.rotation === undefined) {
        setText(note, layer === undefined ? (reason ?? '') : 'shapes differ');
        return reason ?? '';
      }
      drawMarks(norm, bars(listed, 'norm'));
      drawMarks(angle, bars(listed, 'angle'));
      setText(rescaling, `${signed(layer.rescaling.median)} ln ‖w‖`);
      setText(rotation, `${short(layer.rotation.median)}°`);
      return layerWords(layer);
    },
  };
}
