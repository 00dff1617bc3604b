import {
  type AngularName,
  type MagnitudeName,
  type OperatorInput,
  type Sharing,
  squareExponent,
  type WeightingName,
} from '../config/operatorSchema.js';

/** An operator with every parameter known: f(w, x) = h(‖w‖, ‖x‖)·g(θ). */
export interface Operator {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly alpha: number;
  readonly beta: number;
  /** `adaptive`: R = ρ·E‖x‖ (the authors' code); `fixed`: R = ρ (the paper's text). */
  readonly radius: 'adaptive' | 'fixed';
  /** Initial ρ. */
  readonly rho: number;
  readonly learnRho: Sharing | false;
  /** Initial k of the sigmoid. */
  readonly k: number;
  readonly learnK: Sharing | false;
  /** How ‖w‖ enters h. */
  readonly weighting: WeightingName;
  /** B of the square cosine. */
  readonly exponent: number;
}

/** Magnitude functions that have a radius R. */
export function usesRadius(magnitude: MagnitudeName): boolean {
  return magnitude === 'ball' || magnitude === 'tanh' || magnitude === 'seg';
}

/** Weightings that a magnitude function can have: equations 15 and 16 of Decoupled Networks are of tanh alone. */
export function allowsWeighting(magnitude: MagnitudeName, weighting: WeightingName): boolean {
  return weighting === 'none' || weighting === 'linear' || magnitude === 'tanh';
}

/** LinearConv with the square cosine is the operator of a B-cos network (Böhle et al., CVPR 2022), B its exponent. */
export function isBcos({ magnitude, angular, weighting }: Operator): boolean {
  return magnitude === 'linear' && angular === 'square-cosine' && weighting === 'none';
}

/** Magnitude functions bounded by α however long the patch is. */
export function isBounded(magnitude: MagnitudeName): boolean {
  return magnitude === 'sphere' || magnitude === 'ball' || magnitude === 'tanh';
}

/** The paper's name of an operator: `TanhConv`. */
export function operatorName(magnitude: MagnitudeName): string {
  return `${magnitude.charAt(0).toUpperCase()}${magnitude.slice(1)}Conv`;
}

/** k of the sigmoid where nothing is said (SphereNet's `spherenet.py`): fixed, and where it is learned as |0.7| + 0.05. */
const [fixedK, learnedK] = [0.3, 0.75];

/** Fill in what the inputs leave out; later inputs win over earlier ones. */
export function resolveOperator(...inputs: readonly OperatorInput[]): Operator {
  const merged: OperatorInput = Object.assign({}, ...inputs);
  const magnitude = merged.magnitude ?? 'tanh';
  return {
    magnitude,
    angular: merged.angular ?? 'cosine',
    alpha: merged.alpha ?? 1,
    beta: merged.beta ?? (magnitude === 'mix' ? 1 : 0.5),
    radius: merged.radius ?? 'adaptive',
    rho: merged.rho ?? 1,
    learnRho: merged.learnRho ?? 'per-filter',
    k: merged.k ?? (merged.learnK ? learnedK : fixedK),
    learnK: merged.learnK ?? false,
    weighting: merged.weighting ?? 'none',
    exponent: merged.exponent ?? squareExponent,
  };
}
