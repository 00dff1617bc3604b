import type { AngularName, MagnitudeName } from '../core/config/schema.js';
import { angularValue } from '../core/operator/angular.js';
import { angularCurve, magnitudeCurve } from '../core/operator/curve.js';
import { magnitudeValue } from '../core/operator/magnitude.js';
import { operatorName, resolveOperator } from '../core/operator/operator.js';
import { type Output, table, usageError } from './output.js';

export interface OperatorFlags {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
  /** The radius in use, R. */
  readonly radius: number;
  readonly norm?: number;
  /** Radians. */
  readonly angle?: number;
}

/** 3.1416 is meant to be π. */
const angleSlack = 1e-4;
/** Curves of h go to so many radii. */
const radiiShown = 3;

/**
 * h(‖x‖), g(θ) and f = h·g at a point, or both curves.
 * @throws DcnetError `usage`
 */
export function operator(flags: OperatorFlags, output: Output): void {
  const { magnitude, angular, alpha, beta, k, radius, norm, angle } = flags;
  const resolved = resolveOperator({ magnitude, angular, ...defined({ alpha, beta, k }) });
  const parameters = { alpha: resolved.alpha, beta: resolved.beta, radius };
  if (radius <= 0 || resolved.k <= 0)
    throw usageError('--radius and --k must be positive.', 'Give values above 0.');
  const described = { magnitude, angular, ...parameters, k: resolved.k };

  if (norm === undefined && angle === undefined) {
    const h = magnitudeCurve(magnitude, parameters, radiiShown * radius, 61);
    const g = angularCurve(angular, resolved.k, 61);
    const angles = g.x.map((degrees) => (degrees * Math.PI) / 180);
    output.answer({
      ...described,
      h: { norm: h.x, value: h.y },
      g: { angle: angles, value: g.y },
    });
    const rows = h.x.map((x, i) => [x, h.y[i]!, angles[i]!, g.y[i]!].map((value) => value.toFixed(6)));
    if (!output.json) output.say(table([['‖x‖', 'h(‖x‖)', 'θ (radians)', 'g(θ)'], ...rows]));
    return;
  }
  if (norm === undefined || angle === undefined)
    throw usageError('A point has a norm and an angle.', 'Give both --norm and --angle, or neither.');
  if (norm < 0) throw usageError(`--norm ${norm} is negative.`, 'A norm is 0 or more.');
  if (angle < 0 || angle > Math.PI + angleSlack)
    throw usageError(`--angle ${angle} is not between 0 and π.`, 'The angle is in radians.');
  const h = magnitudeValue(magnitude, norm, parameters);
  const g = angularValue(angular, Math.min(angle, Math.PI), resolved.k);
  output.answer({ ...described, norm, angle, h, g, f: h * g });
  if (!output.json)
    output.say(`${operatorName(magnitude)}, ${angular}: h = ${h}, g = ${g}, f = h·g = ${h * g}`);
}

function defined<T extends Record<string, number | undefined>>(values: T): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: number;
  };
}
