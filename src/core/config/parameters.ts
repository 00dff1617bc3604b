import { usesRadius } from '../operator/operator.js';
import type { NetworkLayer } from './network.js';

/** How many values training changes in a layer, by what they are. */
export interface LayerParameters {
  /** Of filters, a projection's among them. */
  readonly weights: number;
  /** Learned ρ: one a filter, or one for the layer. */
  readonly radii: number;
  /** Learned k of the sigmoid: one a filter, or one for the layer. */
  readonly k: number;
  /** γ and β. Running averages are not trained and not counted. */
  readonly batchNorm: number;
  /** PReLU's slopes. */
  readonly slopes: number;
}

const nothing: LayerParameters = { weights: 0, radii: 0, k: 0, batchNorm: 0, slopes: 0 };

export function layerParameters(layer: NetworkLayer): LayerParameters {
  const channels = layer.outputShape.at(-1)!;
  switch (layer.type) {
    case 'conv':
    case 'dense': {
      const { operator } = layer;
      const kernel = layer.type === 'conv' ? layer.kernel : 1;
      const shared = (learned: 'per-filter' | 'per-layer' | false): number =>
        learned === false ? 0 : learned === 'per-filter' ? channels : 1;
      return {
        weights: kernel * kernel * layer.inputShape.at(-1)! * channels,
        radii: operator !== undefined && usesRadius(operator.magnitude) ? shared(operator.learnRho) : 0,
        k: operator?.angular === 'sigmoid' ? shared(operator.learnK) : 0,
        ...afterwards(layer, channels),
      };
    }
    case 'add': {
      const { projection, activation } = layer;
      return {
        ...nothing,
        weights: projection === undefined ? 0 : layer.fromShape.at(-1)! * channels,
        ...afterwards({ batchNorm: projection?.batchNorm ?? false, activation }, channels),
      };
    }
    case 'max-pool':
    case 'average-pool':
    case 'global-average-pool':
    case 'flatten':
      return nothing;
  }
}

/** Number of values that training changes in a layer. */
export function parameterCount(layer: NetworkLayer): number {
  const { weights, radii, k, batchNorm, slopes } = layerParameters(layer);
  return weights + radii + k + batchNorm + slopes;
}

function afterwards(
  { batchNorm, activation }: { readonly batchNorm: boolean; readonly activation: string },
  channels: number,
): Pick<LayerParameters, 'batchNorm' | 'slopes'> {
  return { batchNorm: batchNorm ? 2 * channels : 0, slopes: activation === 'prelu' ? channels : 0 };
}
