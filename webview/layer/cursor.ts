import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import type { Cursor } from '../shared/chart/content.js';
import { binAt } from '../shared/chart/density.js';
import { rect, rule } from '../shared/chart/marks.js';
import { count, percent, precise } from '../shared/format.js';
import type { HeroLayout } from './layout.js';
import type { OperatorReading } from './operator.js';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Reads the joint density cell by cell: → walks along ‖x‖, ↑ along θ. */
export function jointCursor(
  layer: LayerInspection,
  operator: OperatorReading,
  layout: HeroLayout,
): Cursor | undefined {
  const { normEdges, angleEdges, counts } = layer.joint;
  const [columns, rows] = [normEdges.length - 1, angleEdges.length - 1];
  if (columns < 1 || rows < 1) return undefined;
  const { norm, angle, plot, strips } = layout;
  const pairs = sum(counts);
  const patches = sum(layer.norm.histogram.counts);
  const allPairs = sum(layer.angle.histogram.counts);
  const densest = counts.reduce((best, value, i) => (value > counts[best]! ? i : best), 0);

  return {
    columns,
    rows,
    start: [Math.floor(densest / rows), densest % rows],
    locate: (x, y) => {
      const overNorm = x >= plot.left && x <= plot.right && y >= strips.top && y <= plot.bottom;
      const overAngle = y >= plot.top && y <= plot.bottom && x >= plot.left && x <= strips.right;
      if (!overNorm && !overAngle) return undefined;
      return [
        binAt(normEdges, norm.invert(Math.min(x, plot.right))),
        binAt(angleEdges, angle.invert(Math.max(y, plot.top))),
      ];
    },
    stop: (column, row) => {
      const [left, right] = [normEdges[column]!, normEdges[column + 1]!];
      const [low, high] = [angleEdges[row]!, angleEdges[row + 1]!];
      const [middleNorm, middleAngle] = [(left + right) / 2, (low + high) / 2];
      const inCell = counts[column * rows + row] ?? 0;
      const inNorm = layer.norm.histogram.counts[binAt(layer.norm.histogram.edges, middleNorm)] ?? 0;
      const inAngle = layer.angle.histogram.counts[binAt(layer.angle.histogram.edges, middleAngle)] ?? 0;
      const [x, y] = [norm(middleNorm), angle(middleAngle)];
      return {
        at: [x, y],
        marks: [
          rule('cursor-norm', 'crosshair', [x, strips.top], [x, plot.bottom]),
          rule('cursor-angle', 'crosshair', [plot.left, y], [strips.right, y]),
          rect('cursor-cell', 'target', {
            x: norm(left),
            y: angle(high),
            width: norm(right) - norm(left),
            height: angle(low) - angle(high),
          }),
        ],
        readings: [
          { label: '‖x‖', value: `${precise(left)} to ${precise(right)}`, hue: 'norm' },
          { label: 'θ', value: `${precise(low)}° to ${precise(high)}°`, hue: 'angle' },
          { label: 'pairs here', value: `${count(inCell)} (${percent(pairs > 0 ? inCell / pairs : 0)})` },
          {
            label: 'patches of this norm',
            value: `${count(inNorm)} (${percent(patches > 0 ? inNorm / patches : 0)})`,
            hue: 'norm',
          },
          {
            label: 'pairs of this angle',
            value: `${count(inAngle)} (${percent(allPairs > 0 ? inAngle / allPairs : 0)})`,
            hue: 'angle',
          },
          { label: 'h', value: precise(operator.magnitude(middleNorm)), hue: 'norm' },
          { label: 'g', value: precise(operator.angular(middleAngle)), hue: 'angle' },
        ],
      };
    },
  };
}
