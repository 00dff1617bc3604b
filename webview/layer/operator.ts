import { angularValue } from '../../src/core/operator/angular.js';
import { magnitudeValue } from '../../src/core/operator/magnitude.js';
import { measuredCurves, parameterOf } from '../../src/core/operator/measured.js';
import { angularFormula, magnitudeFormula, operatorTitle } from '../../src/core/operator/words.js';
import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import { inColumn, short } from '../shared/format.js';

/** A layer's operator with the numbers its curves are drawn with. */
export interface OperatorReading {
  /** `TanhConv · square cosine`, or how a plain layer is read. */
  readonly name: string;
  /** `h = α·tanh(‖x‖/R), α = 1`. */
  readonly magnitudeFormula: string;
  /** `g = cos θ`. */
  readonly angularFormula: string;
  /** R the curve of h is drawn with; undefined where the operator has no radius. */
  readonly radius: number | undefined;
  /** k the curve of g is drawn with; undefined where g has none. */
  readonly k: number | undefined;
  /** ‖w‖ the line of h is drawn with in a plain or weighted layer; undefined where h has none. */
  readonly weightNorm: number | undefined;
  /** h(‖x‖). */
  readonly magnitude: (norm: number) => number;
  /** g(θ), θ in degrees. */
  readonly angular: (degrees: number) => number;
  /** Norms where h has a corner. */
  readonly corners: readonly number[];
}

/**
 * Read a layer's operator in decoupled form.
 * @param filter use this filter's R, k and ‖w‖ instead of the mean over filters
 * @param otherRadius use this R instead
 */
export function readOperator(layer: LayerInspection, filter?: number, otherRadius?: number): OperatorReading {
  if (layer.operator === 'inner-product') {
    const weightNorm = parameterOf(layer.weightNorms, filter) ?? 1;
    return {
      name: 'inner product, read as h = ‖w‖‖x‖ and g = cos θ',
      magnitudeFormula: 'h = ‖w‖‖x‖',
      angularFormula: angularFormula('cosine'),
      radius: undefined,
      k: undefined,
      weightNorm,
      magnitude: (norm) => weightNorm * norm,
      angular: (degrees) => angularValue('cosine', (degrees * Math.PI) / 180, 1),
      corners: [],
    };
  }
  const { magnitude, angular, alpha, beta, weighting } = layer.operator;
  const { parameters, radius, weightNorm, k, exponent } = measuredCurves(
    layer.operator,
    layer,
    filter,
    otherRadius,
  );
  const usesBeta = magnitude === 'seg' || magnitude === 'mix';
  const constants = [`α = ${short(alpha)}`, ...(usesBeta ? [`β = ${short(beta)}`] : [])];
  return {
    name: operatorTitle(layer.operator),
    magnitudeFormula: `${magnitudeFormula(magnitude, weighting)}, ${constants.join(', ')}`,
    angularFormula: angularFormula(angular, exponent) + (k === undefined ? '' : `, k = ${inColumn(k)}`),
    radius,
    k,
    weightNorm,
    magnitude: (norm) => magnitudeValue(magnitude, norm, parameters),
    angular: (degrees) => angularValue(angular, (degrees * Math.PI) / 180, k ?? 1, exponent),
    corners: radius !== undefined && (magnitude === 'ball' || magnitude === 'seg') ? [radius] : [],
  };
}

/** What the parts of the norm axis are called: in SegConv the radius joins two segments. */
export function regimeNames({ operator }: LayerInspection): readonly [below: string, beyond: string] {
  return operator !== 'inner-product' && operator.magnitude === 'seg'
    ? ['in the first segment, slope α', 'in the second segment, slope β']
    : ['below the radius', 'beyond the radius'];
}

/** What R is made of: `ρ·E‖x‖`, `ρ`, and over ‖w‖ where the weighting is joint. */
function radiusFormula({ operator }: LayerInspection): string {
  if (operator === 'inner-product') return 'ρ';
  const overNorm = operator.weighting === 'joint-tanh' ? '/‖w‖' : '';
  return `${operator.radius === 'adaptive' ? 'ρ·E‖x‖' : 'ρ'}${overNorm}`;
}

/** Which radius is drawn, in a few words. */
export function radiusWords(layer: LayerInspection): string {
  const { operator } = layer;
  const adaptive = operator !== 'inner-product' && operator.radius === 'adaptive';
  return `radius in use R = ${radiusFormula(layer)} (${adaptive ? 'adaptive' : 'fixed'})`;
}

/** Shares below and beyond the radius; none where there is no radius, or no patch that was strong enough to measure. */
export function measuredRegimes(layer: LayerInspection): NonNullable<LayerInspection['regimes']> {
  return layer.patches > 0 ? (layer.regimes ?? []) : [];
}

function spread(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (inColumn(low) === inColumn(high)) return `${inColumn(mean)} in every filter`;
  return `${inColumn(mean)} in the mean of ${values.length} filters (${inColumn(low)} to ${inColumn(high)})`;
}

/**
 * Say which of ρ and R is shown and what it means here. `undefined` where the operator has no radius.
 */
export function describeRadius(layer: LayerInspection): string | undefined {
  const { operator, rho, radius, meanPatchNorm } = layer;
  if (operator === 'inner-product' || !radius || !rho || radius.length === 0) return undefined;
  if (operator.radius === 'fixed' && operator.weighting === 'joint-tanh')
    return `Shown is the radius in use R = ρ/‖w‖ (fixed radius, joint weighting): ${spread(radius)}. ρ is ${spread(rho)}.`;
  if (operator.radius === 'fixed') {
    return `Shown is the radius in use R, which is the learned ρ itself (fixed radius): ${spread(radius)}.`;
  }
  const scale = meanPatchNorm === undefined ? '' : ` E‖x‖ is ${inColumn(meanPatchNorm)} in the checkpoint.`;
  return `Shown is the radius in use R = ${radiusFormula(layer)} (adaptive radius): ${spread(radius)}. ρ is ${spread(rho)}.${scale}`;
}
