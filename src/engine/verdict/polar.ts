import * as tf from '@tensorflow/tfjs-core';
import { valuesOf } from '../backend/valuesOf.js';

/** Features in the plane, in polar form: figure 1 of Decoupled Networks for any number of features. */
export interface PolarFeatures {
  readonly method: 'exact' | 'projection';
  /** Share of the variance of the unit directions that the plane keeps; 1 where exact. */
  readonly kept: number;
  /** Degrees, −180 to 180. */
  readonly angle: readonly number[];
  /** ‖x‖, always the true one. */
  readonly radius: readonly number[];
}

const iterations = 60;
/** Axes have settled when they turn by less than this. */
const settled = 1e-9;

/**
 * Features as radius and angle. Two features are shown exactly. More are projected: their directions x/‖x‖ onto the
 * two principal axes of the directions (centred at their mean), whose polar angle is the angle shown; the radius stays
 * the true ‖x‖. So a distance from the middle is exact, and an angle is what the plane keeps of the direction.
 * Features of length 0 stand at the middle.
 */
export function projectPolar(features: readonly Float32Array[]): PolarFeatures {
  const radius = features.map(normOf);
  const width = features[0]?.length ?? 0;
  if (width <= 2) {
    const angle = features.map((x) => degrees(x[1] ?? 0, x[0] ?? 0));
    return { method: 'exact', kept: 1, angle, radius };
  }
  const mean = new Float64Array(width);
  const rows = features.map((x, i) => Float64Array.from(x, (v) => (radius[i]! > 0 ? v / radius[i]! : 0)));
  for (const row of rows) for (let k = 0; k < width; k++) mean[k]! += row[k]! / rows.length;
  for (const row of rows) for (let k = 0; k < width; k++) row[k]! -= mean[k]!;
  const total = rows.reduce((sum, row) => sum + dot(row, row), 0);
  const [first, second] = principalAxes(rows, width);
  const plane = rows.map((row) => [dot(row, first), dot(row, second)] as const);
  const inPlane = plane.reduce((sum, [x, y]) => sum + x * x + y * y, 0);
  return {
    method: 'projection',
    kept: total > 0 ? Math.min(1, inPlane / total) : 1,
    angle: plane.map(([x, y]) => degrees(y, x)),
    radius,
  };
}

function normOf(x: Float32Array): number {
  let sum = 0;
  for (const value of x) sum += value * value;
  return Math.sqrt(sum);
}

/** The two axes of largest variance of centred rows, by orthogonal iteration from a fixed start. */
function principalAxes(
  rows: readonly Float64Array[],
  width: number,
): readonly [first: Float64Array, second: Float64Array] {
  let axes: [Float64Array, Float64Array] = [
    Float64Array.from({ length: width }, (_, k) => Math.cos(k + 1)),
    Float64Array.from({ length: width }, (_, k) => Math.sin(2 * k + 1)),
  ];
  orthonormalise(axes);
  const values = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) values.set(row, i * width);
  const matrix = tf.tensor2d(values, [rows.length, width]);
  try {
    for (let i = 0; i < iterations; i++) {
      const product = valuesOf(() => {
        const both = tf.tensor2d(Float32Array.from([...axes[0], ...axes[1]]), [2, width]);
        const along = tf.matMul(both, matrix, false, true); // [2, N]
        return tf.matMul(along, matrix); // [2, features]
      });
      const next: [Float64Array, Float64Array] = [
        Float64Array.from(product.subarray(0, width)),
        Float64Array.from(product.subarray(width)),
      ];
      orthonormalise(next);
      const turned = Math.max(1 - Math.abs(dot(next[0], axes[0])), 1 - Math.abs(dot(next[1], axes[1])));
      axes = next;
      if (turned < settled) break;
    }
  } finally {
    matrix.dispose();
  }
  return axes;
}

function orthonormalise([first, second]: [Float64Array, Float64Array]): void {
  scale(first);
  const along = dot(first, second);
  for (let k = 0; k < second.length; k++) second[k]! -= along * first[k]!;
  scale(second);
}

function scale(axis: Float64Array): void {
  const length = Math.sqrt(dot(axis, axis));
  if (length > 0) for (let k = 0; k < axis.length; k++) axis[k]! /= length;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

function degrees(y: number, x: number): number {
  return (Math.atan2(y, x) * 180) / Math.PI;
}
