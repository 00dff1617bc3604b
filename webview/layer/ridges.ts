import type { Histogram, Inspection } from '../../src/core/statistics/inspection.js';
import type { Epoch } from '../../src/protocol/panels/layer.js';
import { type AxisScale, axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Picture } from '../shared/chart/content.js';
import { densityBins, densityOutline, fullHeight } from '../shared/chart/density.js';
import { area, type Mark, rect, rule, words } from '../shared/chart/marks.js';
import { baseName, fileSafe, inColumn, precise } from '../shared/format.js';
import type { DataTable } from '../shared/table.js';

type Measured = Epoch & { readonly layer: NonNullable<Epoch['layer']> };

/** At most so many ridges: more would be lines. */
const mostRidges = 24;

/** Checkpoints that are measured, thinned evenly; the one that is shown is always among them. */
function ridgesOf(epochs: readonly Epoch[], shown: string): readonly Measured[] {
  const measured = epochs.filter((epoch): epoch is Measured => epoch.layer !== undefined);
  const step = Math.ceil(measured.length / mostRidges);
  return measured.filter(
    ({ checkpoint }, i) => (measured.length - 1 - i) % step === 0 || checkpoint === shown,
  );
}

function rangeOf(histograms: readonly Histogram[]): readonly [number, number] {
  const edges = histograms.flatMap((histogram) => histogram.edges);
  const [low, high] = [Math.min(...edges), Math.max(...edges)];
  return [low < high * 0.4 ? 0 : low, high > low ? high : low + 1];
}

function draw(ridges: readonly Measured[], shown: string, width: number): Picture {
  const narrow = width < 480;
  const nameWidth = narrow ? 76 : 92;
  const gap = 20;
  const column = (width - nameWidth - gap - 8) / 2;
  const pitch = Math.max(14, Math.min(30, 300 / ridges.length));
  const height = pitch * 1.7;
  const top = height - pitch + 6;
  const bottom = top + pitch * ridges.length;
  const at = (i: number): number => top + pitch * (i + 1);
  const norm = axisScale(rangeOf(ridges.map(({ layer }) => layer.norm)), [nameWidth, nameWidth + column]);
  const angle = axisScale([0, 180], [nameWidth + column + gap, nameWidth + gap + 2 * column]);
  const ridge = (kind: 'norm' | 'angle', scale: AxisScale, tallest: number, i: number): readonly Mark[] => {
    const { checkpoint, layer } = ridges[i]!;
    const base = at(i);
    const rise = (of: number): number => base - of * (height - 3);
    const outline = densityOutline(densityBins(layer[kind], scale, tallest), scale, rise, 'x');
    return [
      area(`${kind}-${checkpoint}`, `${kind} ridge`, outline, { y: base }),
      rule(`${kind}-base-${checkpoint}`, 'frame-line', [scale.range[0], base], [scale.range[1], base]),
    ];
  };
  const tallestNorm = fullHeight(
    ridges.map(({ layer }) => layer.norm),
    norm,
  );
  const tallestAngle = fullHeight(
    ridges.map(({ layer }) => layer.angle),
    angle,
  );
  const marks: Mark[] = ridges.flatMap((epoch, i) => {
    const { radius } = epoch.layer;
    const inside = radius !== undefined && radius >= norm.domain[0] && radius <= norm.domain[1];
    const isShown = epoch.checkpoint === shown;
    return [
      ...(isShown
        ? [
            rect(`shown-${epoch.checkpoint}`, 'radius-band', {
              x: 0,
              y: at(i) - pitch + 1,
              width,
              height: pitch,
            }),
          ]
        : []),
      ...ridge('norm', norm, tallestNorm, i),
      ...ridge('angle', angle, tallestAngle, i),
      ...(inside
        ? [
            rule(
              `radius-${epoch.checkpoint}`,
              'radius',
              [norm(radius), at(i) - pitch + 2],
              [norm(radius), at(i)],
            ),
          ]
        : []),
      words(`name-${epoch.checkpoint}`, isShown ? 'value' : 'label', [nameWidth - 8, at(i) - 2], epoch.name, {
        anchor: 'end',
      }),
    ];
  });
  marks.push(
    ...axis({ key: 'norm', at: 'bottom', edge: bottom, scale: norm, ticks: narrow ? 3 : 5 }),
    ...axis({
      key: 'angle',
      at: 'bottom',
      edge: bottom,
      scale: angle,
      ticks: [0, 90, 180],
      format: (value) => `${value}°`,
    }),
    rule('right-angle', 'grid', [angle(90), top], [angle(90), bottom]),
    words('norm-title', 'value', [nameWidth + column / 2, bottom + 31], '‖x‖, patch norm', {
      anchor: 'middle',
    }),
    words('angle-title', 'value', [nameWidth + gap + 1.5 * column, bottom + 31], 'θ, angle', {
      anchor: 'middle',
    }),
  );
  const start = ridges.findIndex(({ checkpoint }) => checkpoint === shown);
  return {
    width,
    height: bottom + 36,
    marks,
    cursor: {
      columns: 1,
      rows: ridges.length,
      start: [0, ridges.length - 1 - Math.max(0, start)],
      locate: (_x, y) => {
        const row = Math.floor((y - top) / pitch);
        return row < 0 || row >= ridges.length ? undefined : [0, ridges.length - 1 - row];
      },
      stop: (_column, row) => {
        const i = ridges.length - 1 - row;
        const { name, layer } = ridges[i]!;
        return {
          at: [nameWidth, at(i) - pitch / 2],
          marks: [rect('cursor', 'target', { x: 1, y: at(i) - pitch + 1, width: width - 2, height: pitch })],
          readings: [
            { label: 'checkpoint', value: name },
            { label: 'median ‖x‖', value: precise(layer.medianNorm), hue: 'norm' },
            { label: 'median θ', value: `${precise(layer.medianAngle)}°`, hue: 'angle' },
            ...(layer.radius === undefined
              ? []
              : [{ label: 'mean R', value: precise(layer.radius), hue: 'norm' } as const]),
          ],
        };
      },
    },
  };
}

function table(ridges: readonly Measured[]): DataTable {
  return {
    caption: 'Medians of norm and angle, and the mean radius, in each checkpoint',
    columns: [
      { label: 'checkpoint' },
      { label: 'median ‖x‖', hue: 'norm' },
      { label: 'median θ', hue: 'angle' },
      { label: 'mean R', hue: 'norm' },
    ],
    rows: ridges.map(({ name, layer: { medianNorm, medianAngle, radius } }) => [
      { text: name, value: name },
      { text: inColumn(medianNorm), value: medianNorm },
      { text: `${medianAngle.toFixed(1)}°`, value: medianAngle },
      { text: radius === undefined ? '–' : inColumn(radius), value: radius },
    ]),
  };
}

/** The densities of norm and angle of one layer, a ridge for each checkpoint; undefined where none is measured. */
export function ridgesContent(
  inspection: Inspection,
  layer: string,
  epochs: readonly Epoch[],
): ChartContent | undefined {
  const shown = inspection.checkpoint;
  const ridges = ridgesOf(epochs, shown);
  const [first, last] = [ridges[0], ridges.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const run = inspection.run === undefined ? '' : `${baseName(inspection.run)} › `;
  return {
    title: `${layer} over the run`,
    summary: `Median norm ${inColumn(first.layer.medianNorm)} in ${first.name}, ${inColumn(last.layer.medianNorm)} in ${last.name}; median angle ${first.layer.medianAngle.toFixed(1)}° and ${last.layer.medianAngle.toFixed(1)}°.`,
    legend: [
      { sign: 'area', hue: 'norm', text: 'density of ‖x‖' },
      { sign: 'area', hue: 'angle', text: 'density of θ' },
      ...(last.layer.radius === undefined
        ? []
        : [{ sign: 'hairline', hue: 'plain', text: 'mean radius in use' } as const]),
    ],
    tables: () => [table(ridges)],
    source: `${run}${first.name} to ${last.name} › whole ${inspection.split} split › ${layer}`,
    fileName: fileSafe(`${layer}-over-the-run`),
    draw: (width) => draw(ridges, shown, width),
  };
}
