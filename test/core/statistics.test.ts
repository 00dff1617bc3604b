import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normals, shuffledOrder } from '../../src/core/random.js';
import { distribution, linearEdges, quantile } from '../../src/core/statistics/histogram.js';

describe('quantiles of a histogram', () => {
  it('lie within a bin of the exact ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const edges = linearEdges(0, 10, 20);
          const counts = new Array<number>(20).fill(0);
          for (const value of values) counts[Math.min(19, Math.floor(value / 0.5))]!++;
          const sorted = values.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(0, Math.ceil(share * values.length) - 1)]!;
          expect(Math.abs(quantile(edges, counts, share) - exact)).toBeLessThanOrEqual(0.5 + 1e-9);
        },
      ),
    );
  });
});

describe('a distribution', () => {
  it('has the mean and deviation of its values', () => {
    const values = [1, 2, 2, 3, 8];
    const told = distribution(linearEdges(0, 10, 10), [0, 1, 2, 1, 0, 0, 0, 0, 1, 0], {
      count: 5,
      sum: values.reduce((a, b) => a + b),
      sumOfSquares: values.reduce((a, b) => a + b * b, 0),
      minimum: 1,
      maximum: 8,
    });
    expect(told.mean).toBeCloseTo(3.2, 12);
    expect(told.deviation).toBeCloseTo(Math.sqrt(6.16), 12);
    expect(told.p95).toBeLessThanOrEqual(8);
  });

  it('of nothing is zero', () => {
    const nothing = { count: 0, sum: 0, sumOfSquares: 0, minimum: Infinity, maximum: -Infinity };
    expect(distribution([0, 1], [0], nothing)).toMatchObject({ mean: 0, median: 0, count: 0 });
  });
});

describe('random streams', () => {
  it('order every index once, the same for one seed and purpose', () => {
    const order = shuffledOrder(1000, 7, 'epoch 1');
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(shuffledOrder(1000, 7, 'epoch 1')).toEqual(order);
    expect(shuffledOrder(1000, 7, 'epoch 2')).not.toEqual(order);
    expect(shuffledOrder(1000, 8, 'epoch 1')).not.toEqual(order);
  });

  it('give every place every index about equally often', () => {
    const hits = new Array<number>(5).fill(0);
    for (let seed = 0; seed < 5000; seed++) hits[shuffledOrder(5, seed, 'x')[0]!]!++;
    // 5 cells of 1000 expected: chi-squared of 4 degrees of freedom is under 18.5 with probability 0.999
    const chiSquared = hits.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(18.5);
  });

  it('give normal variates of the wanted deviation', () => {
    const values = [...normals(20_001, 0.5, 3, 'kernel')];
    const mean = values.reduce((a, b) => a + b) / values.length;
    const within = values.filter((value) => Math.abs(value) < 0.5).length / values.length;
    expect(Math.abs(mean)).toBeLessThan(4 * (0.5 / Math.sqrt(20_000)));
    expect(within).toBeCloseTo(0.6827, 1);
    expect(values.filter((value) => Math.abs(value) > 1).length / values.length).toBeCloseTo(0.0455, 2);
  });
});
