import { expect, test, vi } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';

vi.mock('../../../src/engine/backend/dawn.js', async (original) => ({
  ...(await original<object>()),
  openDawn: () => {
    const adapter = {
      features: new Set<string>(),
      limits: {},
      info: { vendor: 'acme', architecture: '', device: 'Card 9', description: '', isFallbackAdapter: false },
      requestDevice: () => Promise.reject(new Error('it is out of memory\nand more')),
    };
    return Promise.resolve({ available: true, version: '0', adapter });
  },
}));

test('a GPU that gives no device: it is named, with the driver’s reason and what to do', async () => {
  await expect(startBackend('webgpu')).rejects.toMatchObject({
    details: {
      code: 'backend',
      message: 'Card 9 (acme) cannot be used: it is out of memory',
      remedy: expect.stringContaining('--backend wasm'),
    },
  });
});
