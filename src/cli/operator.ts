import type { AngularName, MagnitudeName, WeightingName } from '../core/config/operatorSchema.js';
import { angularValue } from '../core/operator/angular.js';
import { angularCurve, magnitudeCurve } from '../core/operator/curve.js';
import { magnitudeValue } from '../core/operator/magnitude.js';
import { allowsWeighting, resolveOperator } from '../core/operator/operator.js';
import { radiusFor, weightedParameters } from '../core/operator/weighting.js';
import { operatorTitle } from '../core/operator/words.js';
import { type Output, table, usageError } from './output.js';

export interface OperatorFlags {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
  /** The radius in use, R. */
  readonly radius: number;
  readonly weighting: WeightingName;
  /** ‖w‖; for what is weighted. */
  readonly weightNorm?: number;
  /** ρ; for separate-tanh. */
  readonly rho?: number;
  /** B of the square cosine. */
  readonly exponent?: number;
  readonly norm?: number;
  /** Radians. */
  readonly angle?: number;
}

/** 3.1416 is meant to be π. */
const angleSlack = 1e-4;
/** Curves of h go to so many radii. */
const radiiShown = 3;

/**
 * h(‖x‖) for a ‖w‖, g(θ) and f = h·g at a point, or both curves.
 * @throws DcnetError `usage`
 */
export function operator(flags: OperatorFlags, output: Output): void {
  const { magnitude, angular, alpha, beta, k, radius, norm, angle, weighting } = flags;
  const { weightNorm = 1, rho = radius } = flags;
  const resolved = resolveOperator({
    magnitude,
    angular,
    weighting,
    ...defined({ alpha, beta, k, exponent: flags.exponent }),
  });
  const { exponent } = resolved;
  if (radius <= 0 || resolved.k <= 0 || weightNorm <= 0 || rho <= 0)
    throw usageError('--radius, --k, --weight-norm and --rho must be positive.', 'Give values above 0.');
  if (exponent < 1) throw usageError(`--exponent ${exponent} is below 1.`, 'Give 1 (cosine) or more.');
  if (!allowsWeighting(magnitude, weighting))
    throw usageError(
      `The weighting ${weighting} is of tanh, not of ${magnitude}.`,
      'Give --magnitude tanh, or --weighting linear.',
    );
  const unweighted = {
    alpha: resolved.alpha,
    beta: resolved.beta,
    radius: radiusFor(weighting, radius, weightNorm),
  };
  const parameters = weightedParameters(unweighted, weighting, weightNorm, rho);
  const described = {
    magnitude,
    angular,
    ...{ alpha: resolved.alpha, beta: resolved.beta, radius, k: resolved.k },
    ...(weighting === 'none' ? {} : { weighting, weightNorm, rho }),
    ...(angular === 'square-cosine' ? { exponent } : {}),
  };
  const whose = weighting === 'none' ? '' : ` for ‖w‖ = ${weightNorm}`;

  if (norm === undefined && angle === undefined) {
    const h = magnitudeCurve(magnitude, parameters, radiiShown * parameters.radius, 61);
    const g = angularCurve(angular, resolved.k, exponent, 61);
    const angles = g.x.map((degrees) => (degrees * Math.PI) / 180);
    output.answer({
      ...described,
      h: { norm: h.x, value: h.y },
      g: { angle: angles, value: g.y },
    });
    const rows = h.x.map((x, i) => [x, h.y[i]!, angles[i]!, g.y[i]!].map((value) => value.toFixed(6)));
    if (!output.json) output.say(table([['‖x‖', `h(‖x‖)${whose}`, 'θ (radians)', 'g(θ)'], ...rows]));
    return;
  }
  if (norm === undefined || angle === undefined)
    throw usageError('A point has a norm and an angle.', 'Give both --norm and --angle, or neither.');
  if (norm < 0) throw usageError(`--norm ${norm} is negative.`, 'A norm is 0 or more.');
  if (angle < 0 || angle > Math.PI + angleSlack)
    throw usageError(`--angle ${angle} is not between 0 and π.`, 'The angle is in radians.');
  const h = magnitudeValue(magnitude, norm, parameters);
  const g = angularValue(angular, Math.min(angle, Math.PI), resolved.k, exponent);
  output.answer({ ...described, norm, angle, h, g, f: h * g });
  if (!output.json)
    output.say(
      `${operatorTitle(resolved).replace(' · ', ', ')}${whose}: h = ${h}, g = ${g}, f = h·g = ${h * g}`,
    );
}

function defined<T extends Record<string, number | undefined>>(values: T): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: number;
  };
}
