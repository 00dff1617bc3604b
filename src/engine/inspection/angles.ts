/** Angles are counted in degrees; coarser bins are sums of these. */
export const finestAngleBins = 180;

const degreesPerRadian = 180 / Math.PI;
/** Cells of the table over cos θ in [−1, 1]. */
const cells = 8192;
/** Beyond this |cos θ| the arccos is too steep for the table, and is computed. */
const tableLimit = 0.96;

const table = Float64Array.from({ length: cells + 2 }, (_, i) =>
  Math.acos(Math.min(1, -1 + (2 * i) / cells)),
);
/** cos of each degree: cosines are compared with these, so that no rounding puts a value into the wrong bin. */
const edgeCosines = Float64Array.from({ length: finestAngleBins + 1 }, (_, degree) =>
  Math.cos(degree / degreesPerRadian),
);

/** θ in degrees of a cosine in [−1, 1]: by a table, within 2e-5 degrees, without an arccos for most values. */
export function degreesOf(cosine: number): number {
  if (cosine > tableLimit || cosine < -tableLimit) return Math.acos(cosine) * degreesPerRadian;
  const at = ((cosine + 1) * cells) / 2;
  const cell = at | 0;
  const below = table[cell]!;
  return (below + (at - cell) * (table[cell + 1]! - below)) * degreesPerRadian;
}

/** The degree i with cos(i + 1) < cos θ ≤ cos(i); 179 includes 180°. `degrees` is near θ. */
export function degreeBin(cosine: number, degrees: number): number {
  const bin = Math.min(finestAngleBins - 1, degrees | 0);
  if (cosine > edgeCosines[bin]!) return bin - 1;
  if (bin < finestAngleBins - 1 && cosine <= edgeCosines[bin + 1]!) return bin + 1;
  return bin;
}
