import * as z from 'zod';
import { hashed } from './deterministic.js';

/** So many values a tensor is told by; a smaller one is told by its own. */
const sums = 16;

/**
 * A tensor as the Python side writes it: its values where they are few, else its norm and sums of its values with signs
 * drawn by a hash. The mean square of the differences of such sums is the tensors' squared distance, in expectation.
 */
export const digestSchema = z.union([
  z.strictObject({ values: z.array(z.number()) }),
  z.strictObject({ norm: z.number(), sums: z.array(z.number()).length(sums) }),
]);
export type Digest = z.infer<typeof digestSchema>;

const signsBySize = new Map<number, readonly Float64Array[]>();

function signs(size: number): readonly Float64Array[] {
  const known = signsBySize.get(size);
  if (known !== undefined) return known;
  const made = Array.from({ length: sums }, (_, i) =>
    hashed(`sum ${i}`, size).map((value) => (value < 0 ? -1 : 1)),
  );
  signsBySize.set(size, made);
  return made;
}

/** ‖actual − expected‖ / ‖expected‖, estimated where only sums are known; ‖actual‖ where nothing is expected. */
export function distance(actual: ArrayLike<number>, expected: Digest): number {
  const values = Float64Array.from(actual);
  if ('values' in expected) {
    if (values.length !== expected.values.length) return Number.POSITIVE_INFINITY;
    const size = Math.hypot(...expected.values);
    return Math.hypot(...expected.values.map((value, i) => value - values[i]!)) / (size > 0 ? size : 1);
  }
  const errors = signs(values.length).map((row, i) => {
    const sum = row.reduce((total, sign, at) => total + sign * values[at]!, 0);
    return sum - expected.sums[i]!;
  });
  return Math.hypot(...errors) / Math.sqrt(sums) / (expected.norm > 0 ? expected.norm : 1);
}
