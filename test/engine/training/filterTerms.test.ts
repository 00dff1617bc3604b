import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveNetwork } from '../../../src/core/config/network.js';
import { configSchema } from '../../../src/core/config/schema.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { type FilterTerms, withFilterTerms } from '../../../src/engine/training/filterTerms.js';
import { testBackend } from '../backends.js';
import { expectClose, expectNoLeak, randomValues, tensorOf } from '../tensors.js';

/** w/√(‖w‖² + 1e-4) of each filter, and the norms. @param w [values of a filter][F], flat */
function unitFilters(w: Float64Array, filters: number): { unit: number[][]; norms: number[] } {
  const columns = Array.from({ length: filters }, (_, f) => [...w].filter((_, i) => i % filters === f));
  const norms = columns.map((column) => Math.sqrt(column.reduce((sum, v) => sum + v * v, 1e-4)));
  return { norms, unit: columns.map((column, f) => column.map((v) => v / norms[f]!)) };
}

/** The regularisers in float64, from their formulas. */
function regulariser(w: Float64Array, filters: number, { orthogonality = 0, hypersphericalEnergy = 0 }) {
  const { unit } = unitFilters(w, filters);
  let [crossing, energy] = [0, 0];
  for (let i = 0; i < filters; i++)
    for (let j = 0; j < filters; j++) {
      const cosine = unit[i]!.reduce((sum, v, at) => sum + v * unit[j]![at]!, 0);
      crossing += (cosine - Number(i === j)) ** 2 / 2;
      if (i !== j) energy += 1 / (2 - 2 * cosine + 1e-3) / (filters * (filters - 1));
    }
  return orthogonality * crossing + hypersphericalEnergy * energy;
}

function slopes(w: Float64Array, of: (moved: Float64Array) => number): Float64Array {
  return w.map((value, index) => {
    const at = (by: number): number => of(w.map((v, i) => (i === index ? value + by : v)));
    return (at(1e-6) - at(-1e-6)) / 2e-6;
  });
}

let model: DcnetModel;

describe('what training adds for decoupled filters', () => {
  beforeAll(async () => {
    await startBackend(testBackend);
    const config = configSchema.parse({
      data: { idx: '.' },
      layers: [
        { type: 'conv', filters: 5, name: 'decoupled' },
        { type: 'conv', filters: 4, operator: 'inner-product', name: 'plain' },
        { type: 'flatten' },
        { type: 'dense', units: 6, operator: {}, name: 'product' },
        { type: 'dense', units: 3, name: 'scores' },
      ],
    });
    const { network } = resolveNetwork(config, { shape: [3, 3, 2], classes: 3 });
    model = buildModel(network!, { seed: 3, averageDecay: 0.9 });
  });

  const cases: FilterTerms[] = [
    { orthogonality: 0.3 },
    { hypersphericalEnergy: 0.7 },
    { filterGradients: 'weighted' },
    { filterGradients: 'weighted', orthogonality: 0.2, hypersphericalEnergy: 0.4 },
  ];
  it.each(cases)('%o is that of finite differences, and leaves the rest alone', (terms) => {
    tf.tidy(() => {
      const gradients = model.trainable.map(({ variable }, i) =>
        tensorOf(randomValues(i + 1, variable.size), variable.shape),
      );
      const changed = withFilterTerms(model, gradients, terms);
      model.trainable.forEach(({ name, variable }, i) => {
        const given = Float64Array.from(gradients[i]!.dataSync());
        if (name !== 'decoupled/kernel' && name !== 'product/kernel') {
          expect(changed[i], name).toBe(gradients[i]);
          return;
        }
        const w = Float64Array.from(variable.dataSync());
        const filters = variable.shape.at(-1)!;
        const { orthogonality, hypersphericalEnergy } = terms;
        const added = slopes(w, (moved) =>
          regulariser(moved, filters, {
            orthogonality: orthogonality ?? 0,
            hypersphericalEnergy: hypersphericalEnergy ?? 0,
          }),
        );
        const { norms } = unitFilters(w, filters);
        const expected = given.map(
          (value, at) =>
            (value + added[at]!) * (terms.filterGradients === 'weighted' ? norms[at % filters]! : 1),
        );
        expectClose(changed[i]!, expected, 2e-5, name);
      });
    });
  });

  it('of nothing is nothing', () => {
    const gradients: tf.Tensor[] = [];
    expect(withFilterTerms(model, gradients, { filterGradients: 'standard', orthogonality: 0 })).toBe(
      gradients,
    );
  });

  it('is finite where filters coincide, and drives apart those that nearly do', () => {
    tf.tidy(() => {
      const kernel = model.decoupled[0]!.kernel;
      const before = tf.clone(kernel);
      const row = randomValues(8, kernel.size / 5);
      // Filters 0 and 1 are the same, 2 is 0.01 from them in its first value.
      kernel.assign(
        tensorOf(
          Float64Array.from({ length: kernel.size }, (_, i) => {
            const [at, filter] = [Math.floor(i / 5), i % 5];
            if (filter > 2) return Math.sin(i);
            return row[at]! + (filter === 2 && at === 0 ? 0.01 : 0);
          }),
          kernel.shape,
        ),
      );
      const zeros = model.trainable.map(({ variable }) => tf.zerosLike(variable));
      const [gradient] = withFilterTerms(model, zeros, { hypersphericalEnergy: 1 });
      const values = gradient!.dataSync();
      for (const value of values) expect(Number.isFinite(value)).toBe(true);
      expect(values[2]!).toBeLessThan(-1); // a step down the gradient takes it further away
      kernel.assign(before);
    });
  });

  it('leaves no tensor behind', () => {
    const gradients = model.trainable.map(({ variable }) => tf.onesLike(variable));
    const terms: FilterTerms = { filterGradients: 'weighted', orthogonality: 1, hypersphericalEnergy: 1 };
    expectNoLeak(() => tf.tidy(() => void withFilterTerms(model, gradients, terms)));
    tf.dispose(gradients);
  });
});
