import { angularNames, magnitudeNames, squareExponent } from '../../core/config/operatorSchema.js';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';

/** The number of g = sign(c)·|c|^B where B is neither 1 nor 2, whose kernels are quicker. */
export const powerCode: number = angularNames.length;

/** The numbers by which kernels of our own know an operator's functions. */
export function functionCodes({
  magnitude,
  angular,
  exponent = squareExponent,
}: OperatorFunctions): [magnitude: number, angular: number] {
  const magnitudeCode = magnitudeNames.indexOf(magnitude);
  if (angular !== 'square-cosine' || exponent === squareExponent)
    return [magnitudeCode, angularNames.indexOf(angular)];
  return [magnitudeCode, exponent === 1 ? angularNames.indexOf('cosine') : powerCode];
}
