import { angularNames, magnitudeNames } from '../../core/config/schema.js';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';

/** The numbers by which kernels of our own know an operator's functions. */
export function functionCodes({
  magnitude,
  angular,
}: OperatorFunctions): [magnitude: number, angular: number] {
  return [magnitudeNames.indexOf(magnitude), angularNames.indexOf(angular)];
}
