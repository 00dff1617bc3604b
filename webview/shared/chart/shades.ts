import type { Mark } from './marks.js';

const shades = 16;

/** A value's place between two others, cut to [0, 1]; 1 where they are equal. */
function placeBetween(value: number, [from, to]: readonly [number, number]): number {
  return to > from ? Math.min(1, Math.max(0, (value - from) / (to - from))) : 1;
}

/**
 * A grid of values as shades of one hue, a path for each shade; the greatest is full.
 * @param values row-major, from the top left
 * @param className `cell norm`, `cell angle` or `cell`
 */
export function shadedGrid(
  key: string,
  className: string,
  values: ArrayLike<number>,
  columns: number,
  range: readonly [number, number],
  at: { readonly x: number; readonly y: number; readonly cell: number },
): readonly Mark[] {
  const paths = Array.from({ length: shades + 1 }, () => '');
  const place = (index: number): number => Math.round(index * at.cell * 100) / 100;
  for (let i = 0; i < values.length; i++) {
    const shade = Math.round(placeBetween(values[i]!, range) * shades);
    if (shade === 0) continue;
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const [left, right] = [at.x + place(column), at.x + place(column + 1)];
    const [top, bottom] = [at.y + place(row), at.y + place(row + 1)];
    paths[shade] +=
      `M${left.toFixed(2)} ${top.toFixed(2)}H${right.toFixed(2)}V${bottom.toFixed(2)}H${left.toFixed(2)}Z`;
  }
  return paths.flatMap((d, shade) =>
    d === ''
      ? []
      : [
          {
            tag: 'path',
            key: `${key}-${shade}`,
            className,
            attributes: { d, 'fill-opacity': Math.round((shade / shades) * 1000) / 1000 },
          } as const,
        ],
  );
}

/** What the shades mean: a bar from the least to the greatest; of a negative width, from right to left. */
export function shadeScale(
  key: string,
  className: string,
  at: { readonly x: number; readonly y: number; readonly width: number },
): readonly Mark[] {
  const width = at.width / shades;
  return Array.from({ length: shades }, (_, i) => ({
    tag: 'rect',
    key: `${key}-scale-${i}`,
    className,
    attributes: {
      x: Math.round((at.x + (width < 0 ? i + 1 : i) * width) * 100) / 100,
      y: at.y,
      width: Math.round(Math.abs(width) * 100) / 100,
      height: 6,
      'fill-opacity': Math.round(((i + 1) / shades) * 1000) / 1000,
    },
  }));
}
