import { expect, test, vi } from 'vitest';
import { probeWebgpu } from '../../../src/engine/backend/webgpu.js';

const adapter = vi.hoisted(() => ({
  features: new Set<string>(),
  limits: { maxStorageBuffersPerShaderStage: 0 },
  info: {
    ...{ vendor: 'nvidia', architecture: 'ada', device: 'Card 9', description: '550.54' },
    isFallbackAdapter: false,
  },
}));

vi.mock('../../../src/engine/backend/dawn.js', async (original) => ({
  ...(await original<object>()),
  probeDawn: () => Promise.resolve({ available: true, version: '0', adapter }),
}));

const card = 'Card 9 (nvidia ada, 550.54)';

test.each([
  { tensors: 11, features: ['shader-f16'], told: `${card}; 16-bit floats (shader-f16)` },
  { tensors: 64, features: ['timestamp-query'], told: `${card}; no 16-bit floats (shader-f16)` },
  {
    // dx, dw, sums, x, w, y, dy and both norms are 9; R and k make 11.
    tensors: 10,
    features: ['shader-f16'],
    told: `${card}; only 10 tensors a kernel: backward passes that need up to 11 store their slopes first; 16-bit floats (shader-f16)`,
  },
])(
  'a GPU’s text says what its kernels may have: $tensors tensors, $features',
  async ({ tensors, features, told }) => {
    adapter.limits.maxStorageBuffersPerShaderStage = tensors;
    adapter.features = new Set(features);
    expect(await probeWebgpu()).toMatchObject({ available: true, device: told });
  },
);
