import type { DawnBackend } from '../dawnBackend.js';

/** A workgroup is a square of this many threads a side; as many terms of each sum are loaded at once. */
export const side = 16;

/** The values that each thread of a matrix product makes. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/** From so many rows on a thread makes several: fewer would leave a GPU idle. */
const manyRows = 512;

/** Values of a tile's side that each thread makes: as many as are not wasted. */
export function perThread(length: number): number {
  return length > 2 * side ? 4 : length > side ? 2 : 1;
}

/**
 * As many columns as are not wasted, first; then what a GPU may be faster with. Whatever the rows, the same are offered:
 * a smaller batch takes what an earlier one has chosen.
 * @param fits whether there is room for a tile, as there is for the first
 */
export function tilesFor(
  rowCount: number,
  columnCount: number,
  fits: (tile: Tile) => boolean,
): readonly [Tile, ...Tile[]] {
  const columns = perThread(columnCount);
  const usual: Tile = { rows: rowCount >= manyRows ? 4 : 1, columns };
  const wide = columnCount > 4 * side ? 2 * columns : columns;
  const all = [4, 8, 2, 1].flatMap((rows) =>
    [...new Set([columns, rows > 2 ? wide : columns])].map((across) => ({ rows, columns: across })),
  );
  const others = all.filter(
    (tile) => (tile.rows !== usual.rows || tile.columns !== usual.columns) && fits(tile),
  );
  return [usual, ...others];
}

/** Bytes that a workgroup has for its variables. */
export function roomOf(backend: DawnBackend): number {
  return backend.device.limits.maxComputeWorkgroupStorageSize;
}

/**
 * WGSL of a product of matrices in tiles, sums[r][c] = Σ_k left(row, k)·right(k, column) with k up to `terms`, rows up to
 * `sizes.rowCount` and columns up to `columnCount`; for a workgroup whose tile starts at `firstRow` and `firstColumn`.
 */
export function matrixProduct(
  { rows, columns }: Tile,
  {
    left,
    right,
    each = '',
  }: {
    /** Sets `value`, 0 before, from `row` and `term`; `r` counts the rows of the thread that loads. */
    readonly left: string;
    /** Sets `value`, 0 before, from `term` and `column`. */
    readonly right: string;
    /** What is done with the tiles once they are loaded. */
    readonly each?: string;
  },
): string {
  const [tileRows, tileColumns] = [side * rows, side * columns];
  return `
  var sums: array<array<f32, ${columns}>, ${rows}>;
  for (var start = 0u; start < terms; start += ${side}u) {
    for (var r = 0u; r < ${tileRows / side}u; r++) {
      let row = firstRow + index / ${side}u + r * ${side}u;
      let term = start + index % ${side}u;
      var value = Left(0.0);
      if (row < sizes.rowCount && term < terms) {
        ${left}
      }
      lefts[index % ${side}u][index / ${side}u + r * ${side}u] = value;
    }
    for (var i = index; i < ${side * tileColumns}u; i += ${side * side}u) {
      let term = start + i / ${tileColumns}u;
      let column = firstColumn + i % ${tileColumns}u;
      var value = Right(0.0);
      if (term < terms && column < columnCount) {
        ${right}
      }
      rights[i / ${tileColumns}u][i % ${tileColumns}u] = value;
    }
    workgroupBarrier();
    ${addProducts({ rows, columns })}
    ${each}
    workgroupBarrier();
  }
`;
}

/** WGSL that adds what the loaded tiles give to a thread's sums. */
export function addProducts({ rows, columns }: Tile): string {
  return `
    for (var k = 0u; k < ${side}u; k++) {
      for (var r = 0u; r < ${rows}u; r++) {
        let value = f32(lefts[k][lane.y + r * ${side}u]);
        for (var c = 0u; c < ${columns}u; c++) {
          sums[r][c] += value * f32(rights[k][lane.x + c * ${side}u]);
        }
      }
    }`;
}

/** WGSL of what a tile's matrices are loaded into, of the types `Left` and `Right`. */
export function tileDeclarations(
  { rows, columns }: Tile,
  { left, right }: Readonly<Record<'left' | 'right', 'Stored' | 'f32'>>,
): string {
  return `
alias Left = ${left};
alias Right = ${right};
// One more than is used: threads that write a column of it would else wait for one another.
var<workgroup> lefts: array<array<Left, ${side * rows + 1}>, ${side}>;
var<workgroup> rights: array<array<Right, ${side * columns}>, ${side}>;
`;
}
