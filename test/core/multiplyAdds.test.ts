import { expect, test } from 'vitest';
import { multiplyAdds } from '../../src/core/config/multiplyAdds.js';
import { resolveNetwork } from '../../src/core/config/network.js';
import { configSchema } from '../../src/core/config/schema.js';

test('multiply-adds are counted filter by filter', () => {
  const config = configSchema.parse({
    data: { dataset: 'fashion-mnist-sample' },
    layers: [
      { type: 'conv', filters: 16 },
      { type: 'max-pool' },
      { type: 'conv', filters: 32, stride: 2, padding: 'valid' },
      { type: 'flatten' },
      { type: 'dense', units: 10 },
    ],
  });
  const { network } = resolveNetwork(config, { shape: [28, 28, 1], classes: 10 });
  // 28 × 28 places of 3 × 3 × 1, then 6 × 6 places of 3 × 3 × 16, then 6 × 6 × 32 features.
  expect(multiplyAdds(network!)).toBe(16 * 784 * 9 + 32 * 36 * 144 + 10 * 1152);
});
