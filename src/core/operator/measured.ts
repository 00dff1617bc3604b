import { squareExponent } from '../config/operatorSchema.js';
import type { LayerInspection } from '../statistics/inspection.js';
import type { MagnitudeParameters } from './magnitude.js';
import { weightedParameters } from './weighting.js';

/** The numbers with which a measured layer's h and g are drawn. */
export interface MeasuredCurves {
  /** Of h over ‖x‖; what ‖w‖ makes of it is in them. */
  readonly parameters: MagnitudeParameters;
  /** R in the unit of ‖x‖; undefined where the operator has none. */
  readonly radius: number | undefined;
  /** ‖w‖ that h is drawn for; undefined where h has no ‖w‖. */
  readonly weightNorm: number | undefined;
  /** k of the sigmoid; undefined where g has none. */
  readonly k: number | undefined;
  /** B of the square cosine. */
  readonly exponent: number;
}

/**
 * A measured decoupled layer's curves, for one filter or for the means over the filters of R, ρ, ‖w‖ and k.
 * @param otherRadius draw with this R instead, in the unit of ‖x‖
 */
export function measuredCurves(
  operator: Exclude<LayerInspection['operator'], 'inner-product'>,
  layer: Pick<LayerInspection, 'radius' | 'rho' | 'k' | 'weightNorms'>,
  filter?: number,
  otherRadius?: number,
): MeasuredCurves {
  const { alpha, beta, weighting = 'none', exponent = squareExponent } = operator;
  const radius = otherRadius ?? parameterOf(layer.radius, filter);
  const weightNorm = weighting === 'none' ? undefined : (parameterOf(layer.weightNorms, filter) ?? 1);
  const rho = parameterOf(layer.rho, filter) ?? 1;
  const parameters = { alpha, beta, radius: radius ?? 1 };
  return {
    parameters: weightedParameters(parameters, weighting, weightNorm ?? 1, rho),
    radius,
    weightNorm,
    k: parameterOf(layer.k, filter),
    exponent,
  };
}

/** Mean of a parameter over all filters, or the chosen filter's own; undefined where there is none. */
export function parameterOf(values: readonly number[] | undefined, filter?: number): number | undefined {
  if (values === undefined || values.length === 0) return undefined;
  if (filter !== undefined) return values[filter];
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
