import { describe, expect, it } from 'vitest';
import type { AttackOptions } from '../../../src/core/attack/attack.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { attacked, disposeBatch, modelOf, randomBatch } from '../attack/support.js';
import { testBackend } from '../backends.js';
import { distance } from '../parity/digest.js';
import { type TrainedCase, trainCase } from '../parity/trainCase.js';

// What the parity cases do not train is compared with the reference backend. Where an ℓ∞ attack goes along the sign of a
// gradient that is next to nothing, rounding could turn it: the images drawn here have no such pixel.

const tolerance = 1e-4;

const layers = [
  { type: 'conv', filters: 4, activation: 'none' },
  { type: 'max-pool' },
  { type: 'conv', filters: 5, activation: 'none', operator: { magnitude: 'ball', angular: 'square-cosine' } },
  { type: 'global-average-pool' },
  { type: 'dense', units: 3 },
];

const changes: readonly (readonly [string, object])[] = [
  ['PGD in ℓ∞', { adversarial: { attack: 'pgd', epsilon: 40, steps: 2 } }],
  ['PGD in ℓ2', { adversarial: { attack: 'pgd', norm: 'l2', epsilon: 60, steps: 2, share: 1 } }],
  [
    'FGSM in ℓ2, orthogonality, energy and weighted gradients',
    {
      adversarial: { attack: 'fgsm', norm: 'l2', epsilon: 60 },
      ...{ orthogonality: 0.1, hypersphericalEnergy: 0.1, filterGradients: 'weighted' },
    },
  ],
];

describe(`${testBackend} beside the reference`, () => {
  it.each(changes)('trains with %s to the same weights', async (name, fields) => {
    const found: TrainedCase = {
      ...{ name, shape: [8, 6, 2], classes: 3, batch: 6, steps: 3 },
      config: { data: { idx: '.' }, averageDecay: 0.9, optimizer: { type: 'sgd' }, ...fields, layers },
    };
    const reference = await trainCase(found, await startBackend('cpu'));
    const other = await trainCase(found, await startBackend(testBackend));
    expect(distance(other.losses, { values: [...reference.losses] })).toBeLessThan(tolerance);
    expect(distance(other.scores, { values: [...reference.scores] })).toBeLessThan(tolerance);
    for (const kind of ['gradients', 'tensors'] as const) {
      expect([...other[kind].keys()]).toEqual([...reference[kind].keys()]);
      for (const [tensor, values] of reference[kind])
        expect(distance(other[kind].get(tensor)!, { values: [...values] }), tensor).toBeLessThan(tolerance);
    }
    // The fields are not without effect.
    const { adversarial: _, orthogonality: __, ...plain } = found.config;
    const without = await trainCase({ ...found, config: plain }, await startBackend(testBackend));
    expect(distance(without.losses, { values: [...reference.losses] })).toBeGreaterThan(tolerance);
  });

  it.each<Partial<AttackOptions>>([
    { attack: 'pgd', norm: 'linf', steps: 3, restarts: 2 },
    { attack: 'pgd', norm: 'l2', epsilon: 60, steps: 3 },
  ])('attacks by its own gradients to the same images: %j', async (options) => {
    const attack = async (
      backend: 'cpu' | typeof testBackend,
    ): Promise<readonly [Float32Array, Float32Array]> => {
      await startBackend(backend);
      const model = modelOf(layers.slice(0, -1).concat({ type: 'dense', units: 4 }), [8, 6, 2]);
      const batch = randomBatch(5, [8, 6, 2], 3);
      const before = batch.x.dataSync<'float32'>().slice();
      const { values } = await attacked(model, batch, options);
      disposeBatch(batch);
      model.dispose();
      return [before, values];
    };
    const [before, expected] = await attack('cpu');
    const [, values] = await attack(testBackend);
    const moved = (images: Float32Array): number[] => [...images].map((value, i) => value - before[i]!);
    expect(distance(moved(values), { values: moved(expected) })).toBeLessThan(tolerance);
    expect(moved(values).filter((move) => move !== 0).length / values.length).toBeGreaterThan(0.9);
  });
});
