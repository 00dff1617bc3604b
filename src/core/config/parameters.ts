import { usesRadius } from '../operator/operator.js';
import type { NetworkLayer } from './network.js';

/**
 * Number of values that training changes in a layer: weights, a learned ρ and k (one a filter or one for the layer),
 * and batch normalisation's γ and β. Running averages are not trained and not counted.
 */
export function parameterCount(layer: NetworkLayer): number {
  switch (layer.type) {
    case 'conv': {
      const { filters, kernel, operator, batchNorm } = layer;
      const weights = kernel * kernel * layer.inputShape.at(-1)! * filters;
      const shared = (learned: 'per-filter' | 'per-layer' | false): number =>
        learned === false ? 0 : learned === 'per-filter' ? filters : 1;
      const rho = operator !== undefined && usesRadius(operator.magnitude) ? shared(operator.learnRho) : 0;
      const k = operator?.angular === 'sigmoid' ? shared(operator.learnK) : 0;
      return weights + rho + k + (batchNorm ? 2 * filters : 0);
    }
    case 'dense':
      return layer.inputShape.at(-1)! * layer.units + (layer.batchNorm ? 2 * layer.units : 0);
    case 'max-pool':
    case 'average-pool':
    case 'global-average-pool':
    case 'flatten':
      return 0;
  }
}
