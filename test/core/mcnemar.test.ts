import { describe, expect, it } from 'vitest';
import { mcnemar } from '../../src/core/verdict/mcnemar.js';

describe('McNemar’s test', () => {
  it.each([
    // scipy.stats.binomtest(min, n).pvalue by hand: 2·Σ C(n, k)/2ⁿ.
    [0, 1, 1, 0.5],
    [0, 5, 0.0625, 0.03125],
    [1, 9, 0.021484375, 0.01171875],
    [2, 10, 158 / 4096, 92 / 4096],
    [3, 3, 1, 1],
  ])('of %i fixed and %i regressed is the binomial’s', (fixed, regressed, exact, midP) => {
    const test = mcnemar(fixed, regressed);
    expect(test.exact).toBeCloseTo(exact, 12);
    expect(test.midP).toBeCloseTo(midP, 12);
    expect(mcnemar(regressed, fixed).midP).toBeCloseTo(test.midP, 14);
  });

  it('has nothing to test where both are right and wrong together', () => {
    expect(mcnemar(0, 0)).toEqual({ fixed: 0, regressed: 0, exact: 1, midP: 1 });
  });

  it('meets the chi-squared approximation for many images, and does not overflow', () => {
    // Without continuity correction, χ² = (b − c)²/(b + c) = 10 at 10,000 discordant images: p = 0.001565.
    const b = 5000 + 158.114;
    const { exact, midP } = mcnemar(Math.round(b), 10_000 - Math.round(b));
    expect(midP).toBeGreaterThan(0.0015);
    expect(midP).toBeLessThan(0.00163);
    expect(exact).toBeGreaterThan(midP);
    expect(mcnemar(900_000, 890_000).midP).toBeLessThan(1e-12);
  });
});
