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

/**
 * The outline of the densest cells that hold a share of all counts, as one path.
 * @param counts row-major [column bin][row bin]
 */
export function densestOutline(
  key: string,
  className: string,
  xEdges: readonly number[],
  yEdges: readonly number[],
  counts: readonly number[],
  share: number,
): Mark {
  const rows = yEdges.length - 1;
  const inside = new Set<number>();
  let left = share * counts.reduce((sum, value) => sum + value, 0);
  for (const at of counts.map((_, i) => i).sort((a, b) => counts[b]! - counts[a]!)) {
    if (left <= 0 || counts[at] === 0) break;
    inside.add(at);
    left -= counts[at]!;
  }
  let d = '';
  const side = (fromX: number, fromY: number, toX: number, toY: number): void => {
    d += `M${fromX.toFixed(2)} ${fromY.toFixed(2)}L${toX.toFixed(2)} ${toY.toFixed(2)}`;
  };
  for (const at of inside) {
    const [column, row] = [Math.floor(at / rows), at % rows];
    const [x0, x1, y0, y1] = [xEdges[column]!, xEdges[column + 1]!, yEdges[row]!, yEdges[row + 1]!];
    if (!inside.has(at - rows)) side(x0, y0, x0, y1);
    if (!inside.has(at + rows)) side(x1, y0, x1, y1);
    if (row === 0 || !inside.has(at - 1)) side(x0, y0, x1, y0);
    if (row === rows - 1 || !inside.has(at + 1)) side(x0, y1, x1, y1);
  }
  return { tag: 'path', key, className, attributes: { d } };
}
