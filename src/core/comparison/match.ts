import { linearSumAssignment } from 'linear-sum-assignment';
import { Matrix } from 'ml-matrix';

/** What a filter that stays in its place is preferred by: one moves only where the cosines gain more than this. */
const stayBonus = 0.02;

/**
 * Which filter of B each filter of A has become: the assignment with the greatest sum of cosines (Jonker–Volgenant),
 * in which a filter that stays in its place counts {@link stayBonus} more, so that near twins do not change places for
 * a rounding. Where one side has more filters, its surplus has no counterpart.
 * @param cosines [rows, columns], row-major: cos of filter i of A and filter j of B
 * @returns for each filter of A the filter of B, or −1
 */
export function matchFilters(cosines: ArrayLike<number>, rows: number, columns: number): Int32Array {
  const gains = new Matrix(rows, columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) gains.set(i, j, cosines[i * columns + j]! + (i === j ? stayBonus : 0));
  const { rowAssignments } = linearSumAssignment(gains, { maximaze: true });
  return Int32Array.from({ length: rows }, (_, i) => rowAssignments[i] ?? -1);
}

interface Shaped {
  readonly name: string;
  readonly type: string;
  /** Of the weights: [K, K, Cin, F] or [features, units]. */
  readonly shape: readonly number[];
}

/** Positions of layers that belong together; one without counterpart is left out. */
export type LayerPair = readonly [a: number, b: number];

/**
 * Which layer of B is which of A: first those of one name and one shape, then those of one shape in their order, then
 * those of one name, then those of one type in their order (whose shapes differ, so that only what they do to the data
 * can be compared). Pairs never cross those of one name and shape.
 */
export function matchLayers(a: readonly Shaped[], b: readonly Shaped[]): readonly LayerPair[] {
  const pairs: LayerPair[] = [];
  const sameShape = (x: Shaped, y: Shaped): boolean =>
    x.type === y.type && x.shape.length === y.shape.length && x.shape.every((size, i) => size === y.shape[i]);
  const rules: readonly ((x: Shaped, y: Shaped) => boolean)[] = [
    (x, y) => x.name === y.name && sameShape(x, y),
    sameShape,
    (x, y) => x.name === y.name && x.type === y.type,
    (x, y) => x.type === y.type,
  ];
  for (const fits of rules)
    for (const [i, x] of a.entries()) {
      if (pairs.some(([taken]) => taken === i)) continue;
      const j = b.findIndex(
        (y, at) =>
          fits(x, y) && !pairs.some(([, taken]) => taken === at) && pairs.every(([p, q]) => p < i === q < at),
      );
      if (j >= 0) pairs.push([i, j]);
    }
  return pairs.sort(([p], [q]) => p - q);
}
