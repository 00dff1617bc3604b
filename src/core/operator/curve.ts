import type { AngularName, MagnitudeName } from '../config/operatorSchema.js';
import { angularValue } from './angular.js';
import { type MagnitudeParameters, magnitudeValue } from './magnitude.js';

export interface Curve {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** h over ‖x‖ from 0 to `largestNorm`, at `points` equally spaced norms. */
export function magnitudeCurve(
  name: MagnitudeName,
  parameters: MagnitudeParameters,
  largestNorm: number,
  points = 129,
): Curve {
  const x = spaced(0, largestNorm, points);
  return { x, y: x.map((norm) => magnitudeValue(name, norm, parameters)) };
}

/** g over θ from 0 to 180 degrees, at `points` equally spaced angles; x in degrees. @param exponent of the square cosine */
export function angularCurve(name: AngularName, k: number, exponent?: number, points = 91): Curve {
  const x = spaced(0, 180, points);
  return { x, y: x.map((degrees) => angularValue(name, (degrees * Math.PI) / 180, k, exponent)) };
}

function spaced(from: number, to: number, points: number): number[] {
  return Array.from({ length: points }, (_, i) => from + ((to - from) * i) / (points - 1));
}
