import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { resolveNetwork } from '../core/config/network.js';
import { configSchema } from '../core/config/schema.js';
import { normals } from '../core/random.js';
import {
  encodeCheckpoint,
  readCheckpoint,
  type StoredTensor,
  writeCheckpoint,
} from '../engine/checkpoint/checkpoint.js';
import { compareWeights } from '../engine/comparison/weights.js';
import { interleave, secondsOf, spreadOf } from './measure.js';
import type { BenchOptions, Figure } from './parts.js';

/** The convolutions of the paper's network for CIFAR-100, some 17 million weights: a first one, then five units of two in each of three widths. */
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
const shape = [32, 32, 3] as const;
const classes = 100;

/** A checkpoint of weights that depend on the seed; two of different seeds have nothing in common, the slowest to compare. */
export function encodeLargeCheckpoint(seed: number): Buffer {
  const { network } = resolveNetwork(config, { shape, classes });
  if (network === undefined) throw new Error('The network does not fit.');
  const tensors = new Map<string, StoredTensor>();
  for (const layer of network.layers) {
    if (layer.type !== 'conv' && layer.type !== 'dense') continue;
    const inputs = layer.inputShape.at(-1)!;
    const filters = layer.outputShape.at(-1)!;
    const size = layer.type === 'conv' ? [layer.kernel, layer.kernel, inputs, filters] : [inputs, filters];
    const count = size.reduce((a, b) => a * b, 1);
    tensors.set(`${layer.name}/kernel`, { shape: size, values: normals(count, 1, seed, layer.name) });
    if (layer.type === 'conv')
      tensors.set(`${layer.name}/rho_root`, { shape: [filters], values: new Float32Array(filters).fill(1) });
  }
  const data = {
    name: 'noise',
    sha256: '',
    shape: [...shape] as [number, number, number],
    classNames: Array.from({ length: classes }, (_, label) => String(label)),
  };
  const metadata = { configText: '{}', config, step: 1, epoch: 1, metrics: {}, data, backend: 'none' };
  return encodeCheckpoint(metadata, network, tensors);
}

/** Writing, reading and comparing checkpoints of 17 million weights. */
export async function* checkpoints({ rounds, onMissing }: BenchOptions): AsyncGenerator<Figure> {
  const general = 'checkpoint of 17 M weights';
  const folder = await mkdtemp(path.join(tmpdir(), 'dcnet-bench-'));
  const [a, b] = ['a', 'b'].map((name) => path.join(folder, `${name}.dcnet.safetensors`)) as [string, string];
  try {
    const bytes = encodeLargeCheckpoint(1);
    await writeCheckpoint(b, encodeLargeCheckpoint(2));
    const seconds = await interleave(
      {
        written: () => secondsOf(() => writeCheckpoint(a, bytes)),
        read: () => secondsOf(() => readCheckpoint(a)),
        'compared with another': () => secondsOf(() => compareWeights({ a: { file: a }, b: { file: b } })),
      },
      rounds,
      (name, thrown) => onMissing(`${general} · ${name}`, thrown),
    );
    for (const [what, values] of Object.entries(seconds))
      yield { what: [general, what], on: 'this machine', value: spreadOf(values), unit: 's' };
  } finally {
    await rm(folder, { recursive: true });
  }
}
