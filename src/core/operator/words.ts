import {
  type AngularName,
  type MagnitudeName,
  squareExponent,
  type WeightingName,
} from '../config/operatorSchema.js';
import { operatorName } from './operator.js';

/** h as it is written (Decoupled Networks, section 3.3); R is the radius in use. */
export const magnitudeFormulas: Readonly<Record<MagnitudeName, string>> = {
  sphere: 'h = α',
  ball: 'h = α·min(‖x‖, R)/R',
  tanh: 'h = α·tanh(‖x‖/R)',
  linear: 'h = α‖x‖',
  seg: 'h = α‖x‖ up to R, slope β beyond',
  log: 'h = α·ln(1 + ‖x‖)',
  mix: 'h = α‖x‖ + β·ln(1 + ‖x‖)',
};

/** g as it is written (Decoupled Networks, section 3.4). */
export const angularFormulas: Readonly<Record<AngularName, string>> = {
  linear: 'g = 1 − 2θ/π',
  cosine: 'g = cos θ',
  'square-cosine': 'g = sign(cos θ)·cos²θ',
  sigmoid: 'g = tanh((π/2 − θ)/2k) / tanh(π/4k)',
};

/** What a magnitude function does to its data, in one sentence. */
export const magnitudeMeanings: Readonly<Record<MagnitudeName, string>> = {
  sphere: 'Only the angle counts: every patch answers with the same strength, however long it is.',
  ball: 'Strength grows in proportion up to the radius and stays there: long patches no longer count for more.',
  tanh: 'A smooth ball: strength grows with the patch and levels off softly beyond the radius.',
  linear: 'Strength is the patch’s own length: with cosine, an inner product whose filters have length 1.',
  seg: 'Two slopes, one up to the radius and another beyond it: between a ball (β = 0) and a line (β = α).',
  log: 'Strength grows with the logarithm of the length: long patches count for more, but ever less so.',
  mix: 'A line and a logarithm together: short patches are lifted, long ones still count in proportion.',
};

/** What an angular activation does, in one sentence. */
export const angularMeanings: Readonly<Record<AngularName, string>> = {
  linear: 'It falls evenly with the angle.',
  cosine: 'It is the inner product’s own: steepest at 90°, flat at 0° and 180°.',
  'square-cosine': 'It is flat at 90°: only patches near the filter, or near its opposite, answer clearly.',
  sigmoid: 'k sets how sharply it turns at 90°: small k is nearly a step, large k nearly a line.',
};

/** h with its ‖w‖, as it is written: the weighted forms of {@link magnitudeFormulas}. */
export function magnitudeFormula(magnitude: MagnitudeName, weighting: WeightingName = 'none'): string {
  switch (weighting) {
    case 'none':
      return magnitudeFormulas[magnitude];
    case 'linear':
      return magnitude === 'seg'
        ? 'h = ‖w‖·(α‖x‖ up to R, slope β beyond)'
        : `h = ‖w‖·${magnitude === 'mix' ? '(α‖x‖ + β·ln(1 + ‖x‖))' : magnitudeFormulas[magnitude].slice('h = '.length)}`;
    case 'joint-tanh':
      return 'h = α·tanh(‖x‖/R), where R is divided by ‖w‖';
    case 'separate-tanh':
      return 'h = α·tanh(‖w‖/ρ)·tanh(‖x‖/R)';
  }
}

/** g with the exponent of the square cosine, as it is written. */
export function angularFormula(angular: AngularName, exponent: number = squareExponent): string {
  return angular === 'square-cosine' && exponent !== squareExponent
    ? `g = sign(cos θ)·|cos θ|^${exponent}`
    : angularFormulas[angular];
}

/** How ‖w‖ counts, in one sentence; none where it does not. */
export const weightingMeanings: Readonly<Record<WeightingName, string | undefined>> = {
  none: undefined,
  linear: 'Linearly weighted: each filter’s answers are as strong as the filter is long.',
  'joint-tanh':
    'Jointly weighted (equation 15): h = α·tanh(‖x‖‖w‖/ρ), so that a longer filter reaches its bound at shorter patches. The paper’s equation is read as this, and not confirmed.',
  'separate-tanh':
    'Separately weighted (equation 16): each filter’s bound is α·tanh(‖w‖/ρ), with ρ itself, without E‖x‖.',
};

const weightingTitles: Readonly<Record<WeightingName, string>> = {
  none: '',
  linear: ' · weighted by ‖w‖',
  'joint-tanh': ' · jointly weighted',
  'separate-tanh': ' · separately weighted',
};

/** `TanhConv · square cosine`, `LinearConv · cosine^1.5`, `TanhConv · cosine · jointly weighted`. */
export function operatorTitle({
  magnitude,
  angular,
  weighting = 'none',
  exponent = squareExponent,
}: {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly weighting?: WeightingName | undefined;
  readonly exponent?: number | undefined;
}): string {
  const g =
    angular === 'square-cosine' && exponent !== squareExponent
      ? `cosine^${exponent}`
      : angular.replace('-', ' ');
  return `${operatorName(magnitude)} · ${g}${weightingTitles[weighting]}`;
}
