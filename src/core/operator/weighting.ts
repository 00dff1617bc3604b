import type { WeightingName } from '../config/operatorSchema.js';
import type { MagnitudeParameters } from './magnitude.js';

/**
 * What h is multiplied by for ‖w‖ (Decoupled Networks, weighted operators): 1 · linear ‖w‖ · separate-tanh tanh(‖w‖/ρ).
 * joint-tanh has 1: there ‖w‖ is in the radius, see {@link radiusFor}.
 *
 * The linear weighting and equation 16 (separate-tanh) are read off the paper; that equation 15 (joint-tanh) is
 * α·tanh(‖x‖‖w‖/ρ) is likely but not confirmed. What ρ is to ‖w‖ when the radius is adaptive is not said anywhere:
 * here it is ρ itself, and only ‖x‖ is measured in mean patch norms.
 * @param rho ρ of the filter; used by separate-tanh
 */
function weightFactor(weighting: WeightingName, weightNorm: number, rho: number): number {
  switch (weighting) {
    case 'none':
    case 'joint-tanh':
      return 1;
    case 'linear':
      return weightNorm;
    case 'separate-tanh':
      return Math.tanh(weightNorm / rho);
  }
}

/**
 * The radius in the unit of ‖x‖ for a filter's ‖w‖: R, and R/‖w‖ for joint-tanh, since tanh(‖x‖‖w‖/R) is the tanh of
 * ‖x‖ over that.
 * @param radius R = ρ or ρ·E‖x‖
 */
export function radiusFor(weighting: WeightingName, radius: number, weightNorm: number): number {
  return weighting === 'joint-tanh' ? radius / weightNorm : radius;
}

/**
 * Parameters with which h(‖x‖) is the weighted h(‖w‖, ‖x‖) of a filter: every h is proportional to (α, β).
 * @param parameters with the radius already in the unit of ‖x‖
 */
export function weightedParameters(
  parameters: MagnitudeParameters,
  weighting: WeightingName,
  weightNorm: number,
  rho: number,
): MagnitudeParameters {
  const factor = weightFactor(weighting, weightNorm, rho);
  const { alpha, beta, radius } = parameters;
  return { alpha: alpha * factor, beta: beta * factor, radius };
}
