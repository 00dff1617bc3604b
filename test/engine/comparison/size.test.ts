import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveNetwork } from '../../../src/core/config/network.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import {
  encodeCheckpoint,
  type StoredTensor,
  writeCheckpoint,
} from '../../../src/engine/checkpoint/checkpoint.js';
import { compareWeights } from '../../../src/engine/comparison/weights.js';
import { temporaryFolder } from '../data/tinyData.js';

/** The convolutions of the paper's network for CIFAR-100: a first one, then five units of two in each of three widths. */
const config = configSchema.parse({
  data: { dataset: 'fashion-mnist-sample' },
  layers: [
    { type: 'conv', filters: 96 },
    ...[96, 192, 384].flatMap((filters) => Array.from({ length: 10 }, () => ({ type: 'conv', filters }))),
    { type: 'conv', filters: 384, kernel: 1, operator: 'inner-product', name: 'wide' },
    { type: 'global-average-pool' },
    { type: 'dense', units: 100 },
  ],
});

/** A checkpoint of some 17 million weights; two of different seeds have nothing in common, which is the slowest case. */
async function write(folder: string, seed: number): Promise<string> {
  const { network } = resolveNetwork(config, { shape: [28, 28, 1], classes: 100 });
  const tensors = new Map<string, StoredTensor>();
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
  for (const layer of network!.layers) {
    if (layer.type !== 'conv' && layer.type !== 'dense') continue;
    const inputs = layer.inputShape.at(-1)!;
    const filters = layer.outputShape.at(-1)!;
    const shape = layer.type === 'conv' ? [layer.kernel, layer.kernel, inputs, filters] : [inputs, filters];
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
    tensors.set(`${layer.name}/kernel`, { shape, values });
    if (layer.type === 'conv')
      tensors.set(`${layer.name}/rho_root`, { shape: [filters], values: new Float32Array(filters).fill(1) });
  }
  const data = {
    name: 'fashion-mnist-sample',
    sha256: '0',
    shape: [28, 28, 1] as [number, number, number],
    classNames: Array.from({ length: 100 }, (_, i) => `${i}`),
  };
  const metadata = { configText: '{}', config, step: 1, epoch: 1, metrics: {}, data, backend: 'wasm' };
  const file = path.join(folder, `${seed}.dcnet.safetensors`);
  await writeCheckpoint(file, encodeCheckpoint(metadata, network!, tensors));
  return file;
}

describe('two checkpoints of 17 million weights', () => {
  let a: string;
  let b: string;

  beforeAll(async () => {
    await startBackend('wasm');
    const folder = await temporaryFolder();
    [a, b] = [await write(folder, 1), await write(folder, 2)];
  }, 120_000);

  it('are compared in an answer under 1 MB', async () => {
    const comparison = await compareWeights({ a: { file: a }, b: { file: b } });
    expect(comparison.a.weights).toBeGreaterThan(16.7e6);
    expect(JSON.stringify(comparison).length).toBeLessThan(1e6);
  }, 120_000);
});
