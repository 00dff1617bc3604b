import type { Network } from '../../../src/core/config/network.js';
import { resolveNetwork } from '../../../src/core/config/network.js';
import type { OperatorInput } from '../../../src/core/config/operatorSchema.js';
import { configSchema } from '../../../src/core/config/schema.js';

/** A network of a config's layers, with shapes. */
export function networkOf(
  layers: readonly object[],
  operator: OperatorInput = {},
  shape: readonly [number, number, number] = [28, 28, 1],
  classes = 10,
): Network {
  const config = configSchema.parse({ data: { dataset: 'fashion-mnist-sample' }, operator, layers });
  const { network, problems } = resolveNetwork(config, { shape, classes });
  if (network === undefined) throw new Error(JSON.stringify(problems));
  return network;
}

/** The shape of network that the product's sample has. */
export const sampleLayers = [
  { type: 'conv', filters: 16 },
  { type: 'max-pool' },
  { type: 'conv', filters: 32 },
  { type: 'max-pool' },
  { type: 'conv', filters: 64 },
  { type: 'global-average-pool' },
  { type: 'dense', units: 10 },
];
