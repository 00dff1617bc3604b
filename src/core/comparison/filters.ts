const degreesPerRadian = 180 / Math.PI;

/** What became of matched filters; one value a filter of A, NaN where it cannot be told. */
export interface FilterChanges {
  /** ‖w‖ in A and in B, without ε; NaN in B for a filter without counterpart. */
  readonly normA: Float64Array;
  readonly normB: Float64Array;
  /** Rescaling: ln ‖w_B‖ − ln ‖w_A‖. */
  readonly rescaling: Float64Array;
  /** Rotation: the angle between w_A and w_B in degrees, 0 to 180. */
  readonly rotation: Float64Array;
  /** ‖W_B − W_A‖ / ‖W_A‖ over all matched filters: rescaling and rotation in one number. */
  readonly movement: number;
}

/**
 * Rescaling and rotation of each filter. In float64; the angle is 2·atan2(‖ŵ_A − ŵ_B‖, ‖ŵ_A + ŵ_B‖), which keeps its
 * precision near 0° and 180° where an arccos has none. A filter of zeros has neither rescaling nor rotation.
 * @param a weights [inputs, F_A], row-major: a convolution's [K, K, Cin, F] with the first three axes as one
 * @param b weights [inputs, F_B]
 * @param inputs weights of one filter
 * @param match the filter of B for each of A, or −1
 * @param inputOf the input of B for each of A, where the layer before has changed its order; left out: the same
 */
export function filterChanges(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  inputs: number,
  match: Int32Array,
  inputOf?: Int32Array,
): FilterChanges {
  const filters = match.length;
  const filtersB = b.length / inputs;
  const normA = columnNorms(a, filters);
  const normsB = columnNorms(b, filtersB);
  const normB = Float64Array.from(match, (other) => normsB[other] ?? Number.NaN);
  const difference = new Float64Array(filters);
  const sum = new Float64Array(filters);
  for (let r = 0; r < inputs; r++) {
    const rowB = (inputOf?.[r] ?? r) * filtersB;
    for (let f = 0; f < filters; f++) {
      if (match[f]! < 0) continue;
      const x = a[r * filters + f]! / normA[f]!;
      const y = b[rowB + match[f]!]! / normB[f]!;
      difference[f]! += (x - y) * (x - y);
      sum[f]! += (x + y) * (x + y);
    }
  }
  let moved = 0;
  let whole = 0;
  const rotation = new Float64Array(filters).fill(Number.NaN);
  const rescaling = new Float64Array(filters).fill(Number.NaN);
  for (let f = 0; f < filters; f++) {
    if (match[f]! < 0) continue;
    const [p, q] = [normA[f]!, normB[f]!];
    whole += p * p;
    if (p === 0 || q === 0) {
      moved += p * p + q * q;
      continue;
    }
    // ‖w_B − w_A‖² = (‖w_B‖ − ‖w_A‖)² + ‖w_A‖‖w_B‖·‖ŵ_A − ŵ_B‖²
    moved += (q - p) ** 2 + p * q * difference[f]!;
    rotation[f] = 2 * Math.atan2(Math.sqrt(difference[f]!), Math.sqrt(sum[f]!)) * degreesPerRadian;
    rescaling[f] = Math.log(q / p);
  }
  return { normA, normB, rescaling, rotation, movement: whole > 0 ? Math.sqrt(moved / whole) : 0 };
}

/** ‖·‖ of each column of a row-major matrix. */
export function columnNorms(values: ArrayLike<number>, columns: number): Float64Array {
  const squares = new Float64Array(columns);
  for (let from = 0; from < values.length; from += columns)
    for (let f = 0; f < columns; f++) squares[f]! += values[from + f]! ** 2;
  return squares.map(Math.sqrt);
}

/** Where each input of a layer of A is in B, when the filters that feed it have changed their order. */
export function inputOrder(inputs: number, feeding: Int32Array): Int32Array | undefined {
  if (feeding.every((to, from) => to === from)) return undefined;
  const channels = feeding.length;
  return Int32Array.from(
    { length: inputs },
    (_, r) => Math.floor(r / channels) * channels + feeding[r % channels]!,
  );
}

/** Linearly interpolated quantile of the values that are numbers; undefined where there is none. */
export function quantileOf(values: ArrayLike<number>, share: number): number | undefined {
  const sorted = Float64Array.from(values)
    .filter((value) => !Number.isNaN(value))
    .sort();
  if (sorted.length === 0) return undefined;
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const [x, y] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!];
  return x + (y - x) * (at - low);
}
