import type { Histogram } from '../statistics/inspection.js';

/**
 * The 1-Wasserstein distance ∫ |F_A − F_B| of two histograms, in the units of their axis: how far a value must be moved
 * on average to turn one distribution into the other. The histograms may have different edges; inside a bin values are
 * taken to be spread evenly. Undefined where one of them is empty.
 */
export function wassersteinDistance(a: Histogram, b: Histogram): number | undefined {
  const [first, second] = [cumulative(a), cumulative(b)];
  if (first === undefined || second === undefined) return undefined;
  const edges = [...new Set([...a.edges, ...b.edges])].sort((x, y) => x - y);
  let distance = 0;
  let before = first(edges[0]!) - second(edges[0]!);
  for (let i = 1; i < edges.length; i++) {
    const after = first(edges[i]!) - second(edges[i]!);
    const [x, y] = [Math.abs(before), Math.abs(after)];
    // Between edges the difference is linear: a trapezoid, or two triangles where it changes its sign.
    const mean = before * after >= 0 ? (x + y) / 2 : (x * x + y * y) / (2 * (x + y));
    distance += mean * (edges[i]! - edges[i - 1]!);
    before = after;
  }
  return distance;
}

/** F(x), the share of the values below x. */
function cumulative({ edges, counts }: Histogram): ((x: number) => number) | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const below = [0];
  for (const count of counts) below.push(below.at(-1)! + count / total);
  return (x) => {
    if (x <= edges[0]!) return 0;
    if (x >= edges.at(-1)!) return 1;
    let low = 0;
    let high = edges.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (edges[middle]! <= x) low = middle;
      else high = middle;
    }
    const within = (x - edges[low]!) / (edges[high]! - edges[low]!);
    return below[low]! + (below[high]! - below[low]!) * within;
  };
}
