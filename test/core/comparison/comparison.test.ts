import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinearCka, unbiasedHsic } from '../../../src/core/comparison/cka.js';
import { configChanges } from '../../../src/core/comparison/configChanges.js';
import { filterChanges, inputOrder, quantileOf } from '../../../src/core/comparison/filters.js';
import { matchFilters, matchLayers } from '../../../src/core/comparison/match.js';
import { wassersteinDistance } from '../../../src/core/comparison/wasserstein.js';
import { parseConfig } from '../../../src/core/config/parse.js';
import { normals } from '../../../src/core/random.js';
import type { Histogram } from '../../../src/core/statistics/inspection.js';

const cosine = fc.double({ min: -1, max: 1, noNaN: true });

/** Every way to give each of the first `size` of `from` another of them. */
function* permutations(from: readonly number[]): Generator<number[]> {
  if (from.length === 0) yield [];
  for (const [i, first] of from.entries())
    for (const rest of permutations(from.filter((_, at) => at !== i))) yield [first, ...rest];
}

describe('matching filters', () => {
  const sum = (match: ArrayLike<number>, cosines: readonly number[], columns: number): number =>
    Array.from(match).reduce((total, j, i) => total + (j < 0 ? 0 : cosines[i * columns + j]!), 0);

  it('finds the greatest sum of cosines, but for what staying counts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(cosine, { minLength: 36, maxLength: 36 }),
        (n, all) => {
          const cosines = all.slice(0, n * n);
          const match = matchFilters(cosines, n, n);
          expect([...match].sort()).toEqual(Array.from({ length: n }, (_, i) => i).sort());
          const best = Math.max(
            ...[...permutations([...match.keys()])].map((order) => sum(order, cosines, n)),
          );
          const moved = match.filter((j, i) => j !== i).length;
          expect(sum(match, cosines, n)).toBeGreaterThanOrEqual(best - 0.02 * Math.max(moved, n) - 1e-12);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('leaves the surplus of either side without counterpart', () => {
    expect([...matchFilters([0, 0.9, 0.8, 0.1, 0.2, 0.3], 3, 2)]).toEqual([1, 0, -1]);
    expect([...matchFilters([0, 0.1, 0.9, 0.8, 0.7, 0.75], 2, 3)]).toEqual([2, 0]);
  });

  it('keeps twins in their places', () => {
    expect([...matchFilters([0.99, 0.995, 0.995, 0.99], 2, 2)]).toEqual([0, 1]);
    expect([...matchFilters([0.5, 0.99, 0.99, 0.5], 2, 2)]).toEqual([1, 0]);
  });
});

describe('matching layers', () => {
  const conv = (name: string, ...shape: number[]) => ({ name, type: 'conv', shape });

  it('goes by name and shape, then by order', () => {
    const a = [conv('conv1', 3, 3, 1, 8), conv('conv2', 3, 3, 8, 8), conv('conv3', 3, 3, 8, 8)];
    expect(matchLayers(a, a)).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    const renamed = [conv('first', 3, 3, 1, 8), conv('second', 3, 3, 8, 8)];
    expect(matchLayers(a, renamed)).toEqual([
      [0, 0],
      [1, 1],
    ]);
    // One put in between, with a name of its own: the others keep their counterparts.
    const longer = [a[0]!, conv('extra', 3, 3, 8, 8), a[1]!, a[2]!];
    expect(matchLayers(a, longer)).toEqual([
      [0, 0],
      [1, 2],
      [2, 3],
    ]);
  });

  it('pairs layers of other shapes by name or order, so that what they do can be compared', () => {
    const a = [conv('conv1', 3, 3, 1, 8), conv('conv2', 3, 3, 8, 8)];
    const b = [conv('conv1', 5, 5, 1, 4), conv('wide', 3, 3, 4, 16), conv('wider', 3, 3, 16, 32)];
    expect(matchLayers(a, b)).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(matchLayers(a, [{ name: 'conv1', type: 'dense', shape: [4, 2] }])).toEqual([]);
  });
});

describe('rescaling and rotation', () => {
  it('are those of filters that were turned and stretched by hand', () => {
    const angle = Math.PI / 6;
    // Filters are columns: (1, 0, 0), (0, 2, 0), (0, 0, 0), (3, 0, 4).
    const a = [1, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0, 4];
    // Turned by 30° and doubled; halved; still zero; negated.
    const b = [2 * Math.cos(angle), 0, 0, -3, 2 * Math.sin(angle), 1, 0, 0, 0, 0, 0, -4];
    const { rescaling, rotation, normA, normB, movement } = filterChanges(a, b, 3, Int32Array.of(0, 1, 2, 3));
    expect([...normA]).toEqual([1, 2, 0, 5]);
    expect(normB[0]).toBeCloseTo(2, 14);
    expect(rescaling[0]).toBeCloseTo(Math.LN2, 14);
    expect(rotation[0]).toBeCloseTo(30, 12);
    expect(rescaling[1]).toBeCloseTo(-Math.LN2, 14);
    expect(rotation[1]).toBe(0);
    expect(rotation[2]).toBeNaN();
    expect(rescaling[2]).toBeNaN();
    expect(rotation[3]).toBeCloseTo(180, 12);
    const squares = (values: readonly number[]): number => values.reduce((sum, value) => sum + value ** 2, 0);
    expect(movement).toBeCloseTo(Math.sqrt(squares(a.map((x, i) => b[i]! - x)) / squares(a)), 12);
  });

  it('keep their precision for angles that an arccos cannot tell', () => {
    const tiny = 1e-9;
    const { rotation } = filterChanges([1, 0], [Math.cos(tiny), Math.sin(tiny)], 2, Int32Array.of(0));
    expect(rotation[0]! / ((tiny * 180) / Math.PI)).toBeCloseTo(1, 6);
  });

  it('follow filters to their new places, and inputs too', () => {
    // Two inputs of two channels each, three filters; B is A with channels 0 and 1 exchanged and filters in another order.
    const a = Array.from({ length: 12 }, (_, i) => Math.sin(i + 1));
    const match = Int32Array.of(2, 0, 1);
    const order = inputOrder(4, Int32Array.of(1, 0))!;
    expect([...order]).toEqual([1, 0, 3, 2]);
    const b = new Array<number>(12);
    for (let r = 0; r < 4; r++) for (let f = 0; f < 3; f++) b[order[r]! * 3 + match[f]!] = 2 * a[r * 3 + f]!;
    const { rescaling, rotation } = filterChanges(a, b, 4, match, order);
    for (let f = 0; f < 3; f++) {
      expect(rescaling[f]).toBeCloseTo(Math.LN2, 14);
      expect(rotation[f]).toBeCloseTo(0, 12);
    }
    expect(inputOrder(4, Int32Array.of(0, 1))).toBeUndefined();
  });

  it('have quantiles as numpy interpolates them', () => {
    expect(quantileOf([3, 1, Number.NaN, 2, 10], 0.5)).toBe(2.5);
    expect(quantileOf([0, 10], 0.05)).toBeCloseTo(0.5, 14);
    expect(quantileOf([Number.NaN], 0.5)).toBeUndefined();
  });
});

describe('the Wasserstein distance', () => {
  /** Weights at points, as bins so narrow that they are points. */
  const points = (values: readonly number[], weights: readonly number[]): Histogram => {
    const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!);
    const edges: number[] = [];
    const counts: number[] = [];
    for (const i of order) {
      if (edges.length > 0) counts.push(0);
      edges.push(values[i]! - 1e-9, values[i]! + 1e-9);
      counts.push(weights[i]!);
    }
    return { edges, counts };
  };

  it.each([
    // The examples of scipy.stats.wasserstein_distance.
    { a: points([0, 1, 3], [1, 1, 1]), b: points([5, 6, 8], [1, 1, 1]), distance: 5 },
    { a: points([0, 1], [3, 1]), b: points([0, 1], [2, 2]), distance: 0.25 },
    {
      a: points([3.4, 3.9, 7.5, 7.8], [1.4, 0.9, 3.1, 7.2]),
      b: points([4.5, 1.4], [3.2, 3.5]),
      distance: 4.0781331438047861,
    },
    // Uniform on [0, 1] and on [0, 2]: ∫ |x − x/2| + ∫ (1 − x/2) = 1/4 + 1/4.
    { a: { edges: [0, 1], counts: [7] }, b: { edges: [0, 2], counts: [3] }, distance: 0.5 },
    // The differences change their sign inside a bin: uniform on [0, 3] and on [1, 2].
    { a: { edges: [0, 3], counts: [1] }, b: { edges: [1, 2], counts: [1] }, distance: 0.5 },
  ])('is $distance', ({ a, b, distance }) => {
    expect(wassersteinDistance(a, b)).toBeCloseTo(distance, 6);
    expect(wassersteinDistance(b, a)).toBeCloseTo(distance, 6);
    expect(wassersteinDistance(a, a)).toBe(0);
  });

  it('is how far a shift moves', () => {
    const shift = fc.double({ min: -5, max: 5, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 2, maxLength: 12 }), shift, (counts, by) => {
        fc.pre(counts.some((count) => count > 0));
        const edges = Array.from({ length: counts.length + 1 }, (_, i) => i * 0.7);
        const moved = { edges: edges.map((edge) => edge + by), counts };
        expect(wassersteinDistance({ edges, counts }, moved)).toBeCloseTo(Math.abs(by), 8);
      }),
    );
  });

  it('is not there for an empty histogram', () => {
    expect(
      wassersteinDistance({ edges: [0, 1], counts: [0] }, { edges: [0, 1], counts: [1] }),
    ).toBeUndefined();
  });
});

describe('centred kernel alignment', () => {
  const random = (seed: number, length: number): number[] =>
    Array.from(normals(length, 2, seed, 'features'), (value) => value + 1);
  const gram = (x: readonly number[], n: number): number[] => {
    const p = x.length / n;
    return Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      return Array.from({ length: p }, (_, d) => x[i * p + d]! * x[j * p + d]!).reduce((a, b) => a + b, 0);
    });
  };

  it('has HSIC₁ as the mean over all tuples of four images (Song et al., eq. 4)', () => {
    const n = 6;
    const [k, l] = [gram(random(1, n * 3), n), gram(random(2, n * 2), n)];
    let [sum, tuples] = [0, 0];
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        for (let q = 0; q < n; q++)
          for (let r = 0; r < n; r++) {
            if (new Set([i, j, q, r]).size < 4) continue;
            tuples++;
            sum += k[i * n + j]! * (l[i * n + j]! + l[q * n + r]! - 2 * l[i * n + q]!);
          }
    expect(unbiasedHsic(k, l, n)).toBeCloseTo(sum / tuples, 8);
  });

  it('is 1 for features that were turned, scaled and shifted, and has no bias for independent ones', () => {
    const n = 40;
    const x = random(3, n * 2);
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    const turned = x.map((_, i) => {
      const [u, v] = [x[i - (i % 2)]!, x[i - (i % 2) + 1]!];
      return 5 * (i % 2 === 0 ? c * u - s * v : s * u + c * v) + 9;
    });
    const cka = new LinearCka(1, 2);
    cka.add([gram(x, n)], [gram(turned, n), gram(new Array(n).fill(0), n)], n);
    const [[same, constant]] = cka.values() as [[number, number]];
    expect(same).toBeCloseTo(1, 10);
    expect(constant).toBeNaN();
    expect(cka.images).toBe(n);

    // Wide independent features: the plain estimate would be near 1.
    const wide = new LinearCka(1, 1);
    for (let batch = 0; batch < 30; batch++) {
      const features = (seed: number): number[] => random(seed, 12 * 200).map((v) => v - 1);
      wide.add([gram(features(10 + batch), 12)], [gram(features(500 + batch), 12)], 12);
    }
    expect(Math.abs(wide.values()[0]![0]!)).toBeLessThan(0.15);
  });
});

describe('changes of a config', () => {
  const base = {
    data: { dataset: 'fashion-mnist-sample' },
    operator: { magnitude: 'tanh' },
    layers: [{ type: 'conv', filters: 8 }, { type: 'global-average-pool' }, { type: 'dense', units: 10 }],
  };
  const read = (changes: object) => parseConfig(JSON.stringify({ ...base, ...changes })).config!;

  it('name each field with both values, and layers by name', () => {
    expect(configChanges(read({}), read({}))).toEqual([]);
    const other = read({
      operator: { magnitude: 'ball', alpha: 2 },
      epochs: 3,
      schedule: { type: 'cosine' },
      layers: [
        { type: 'conv', filters: 16, name: 'conv1' },
        { type: 'flatten' },
        { type: 'dense', units: 10 },
      ],
    });
    expect(configChanges(read({}), other)).toEqual([
      { field: 'operator.magnitude', a: 'tanh', b: 'ball' },
      { field: 'schedule.type', a: 'constant', b: 'cosine' },
      { field: 'epochs', a: '10', b: '3' },
      { field: 'layers.conv1.filters', a: '8', b: '16' },
      { field: 'layers.global-average-pool1.type', a: 'global-average-pool', b: undefined },
      { field: 'layers, in order', a: 'conv1, global-average-pool1, dense1', b: 'conv1, flatten1, dense1' },
      { field: 'operator.alpha', a: undefined, b: '2' },
      { field: 'layers.flatten1.type', a: undefined, b: 'flatten' },
    ]);
  });
});
