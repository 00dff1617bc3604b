import { shownMaximum } from './density.js';
import type { Mark } from './marks.js';

/** Number of shades, besides the background. */
const shades = 16;

/**
 * Cells of a matrix as shades of one hue: a path for each shade, so that a fine grid costs few elements.
 * Shades grow with the square root of a cell's density (count for each square pixel), which keeps the tails visible;
 * a few cells far denser than all others have the last shade, whatever their number.
 * @param counts row-major [column bin][row bin]
 */
export function heatmap(
  key: string,
  xEdges: readonly number[],
  yEdges: readonly number[],
  counts: readonly number[],
): readonly Mark[] {
  const rows = yEdges.length - 1;
  const sizes = counts.map((_, i) => {
    const [column, row] = [Math.floor(i / rows), i % rows];
    const width = Math.abs(xEdges[column + 1]! - xEdges[column]!);
    const height = Math.abs(yEdges[row + 1]! - yEdges[row]!);
    return width * height;
  });
  const densities = counts.map((value, i) => (sizes[i]! > 0 ? value / sizes[i]! : 0));
  const densest = shownMaximum(densities, 0.98, 8);
  if (densest === 0) return [];
  const paths = Array.from({ length: shades }, () => '');
  densities.forEach((density, i) => {
    if (density <= 0) return;
    const [column, row] = [Math.floor(i / rows), i % rows];
    const [left, right] = [xEdges[column]!, xEdges[column + 1]!];
    const [low, high] = [yEdges[row]!, yEdges[row + 1]!];
    const shade = Math.max(0, Math.ceil(Math.sqrt(Math.min(1, density / densest)) * shades) - 1);
    paths[shade] +=
      `M${left.toFixed(2)} ${low.toFixed(2)}H${right.toFixed(2)}V${high.toFixed(2)}H${left.toFixed(2)}Z`;
  });
  return paths.map((d, shade) => ({
    tag: 'path',
    key: `${key}-${shade}`,
    className: 'cell',
    attributes: { d, 'fill-opacity': Math.round(((shade + 1) / shades) * 1000) / 1000 },
  }));
}
