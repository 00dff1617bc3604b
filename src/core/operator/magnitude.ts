import type { MagnitudeName } from '../config/operatorSchema.js';

/** α, β and the radius in use R (the same unit as ‖x‖). */
export interface MagnitudeParameters {
  readonly alpha: number;
  readonly beta: number;
  readonly radius: number;
}

/**
 * Magnitude function h(‖x‖) in float64 (Decoupled Networks, section 3.3, figure 3).
 * @param norm ‖x‖ ≥ 0
 */
export function magnitudeValue(name: MagnitudeName, norm: number, p: MagnitudeParameters): number {
  switch (name) {
    case 'sphere':
      return p.alpha;
    case 'ball':
      return (p.alpha * Math.min(norm, p.radius)) / p.radius;
    case 'tanh':
      return p.alpha * Math.tanh(norm / p.radius);
    case 'linear':
      return p.alpha * norm;
    case 'seg':
      return norm <= p.radius ? p.alpha * norm : p.beta * norm + (p.alpha - p.beta) * p.radius;
    case 'log':
      return p.alpha * Math.log1p(norm);
    case 'mix':
      return p.alpha * norm + p.beta * Math.log1p(norm);
  }
}

/** h′(‖x‖), the slope on the side of the smaller norm where h has a corner. */
export function magnitudeSlope(name: MagnitudeName, norm: number, p: MagnitudeParameters): number {
  switch (name) {
    case 'sphere':
      return 0;
    case 'ball':
      return norm <= p.radius ? p.alpha / p.radius : 0;
    case 'tanh':
      return (p.alpha / p.radius) * (1 - Math.tanh(norm / p.radius) ** 2);
    case 'linear':
      return p.alpha;
    case 'seg':
      return norm <= p.radius ? p.alpha : p.beta;
    case 'log':
      return p.alpha / (1 + norm);
    case 'mix':
      return p.alpha + p.beta / (1 + norm);
  }
}
