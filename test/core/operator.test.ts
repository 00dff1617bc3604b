import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { angularNames, magnitudeNames } from '../../src/core/config/operatorSchema.js';
import { angularValue } from '../../src/core/operator/angular.js';
import { angularCurve, magnitudeCurve } from '../../src/core/operator/curve.js';
import { magnitudeSlope, magnitudeValue } from '../../src/core/operator/magnitude.js';
import { isBounded, operatorName, resolveOperator, usesRadius } from '../../src/core/operator/operator.js';

/** Decoupled Networks, figure 3: α = 1, β = 0.5, ρ = 1 at ‖x‖ = 2; mix follows from its formula with α = β = 1. */
const atNormTwo = {
  sphere: 1,
  ball: 1,
  tanh: 0.9640275801,
  linear: 2,
  seg: 1.5,
  log: 1.0986122887,
} as const;

describe('magnitude functions', () => {
  it.each(Object.entries(atNormTwo))('%s has its value of figure 3 at norm 2', (name, expected) => {
    const value = magnitudeValue(name as keyof typeof atNormTwo, 2, { alpha: 1, beta: 0.5, radius: 1 });
    expect(value).toBeCloseTo(expected, 9);
  });

  it('mix adds a line and a logarithm', () => {
    expect(magnitudeValue('mix', 2, { alpha: 3, beta: 2, radius: 1 })).toBeCloseTo(6 + 2 * 1.0986122887, 9);
  });

  it.each(magnitudeNames)('%s has the slope that finite differences give', (name) => {
    const positive = fc.double({ min: 0.1, max: 5, noNaN: true });
    fc.assert(
      fc.property(positive, positive, positive, positive, (norm, alpha, beta, radius) => {
        fc.pre(Math.abs(norm - radius) > 1e-3); // h has a corner there
        const p = { alpha, beta, radius };
        const step = 1e-5;
        const slope =
          (magnitudeValue(name, norm + step, p) - magnitudeValue(name, norm - step, p)) / (2 * step);
        expect(magnitudeSlope(name, norm, p)).toBeCloseTo(slope, 5);
      }),
    );
  });

  it.each(magnitudeNames.filter(isBounded))('%s never exceeds α', (name) => {
    expect(magnitudeValue(name, 1e9, { alpha: 2, beta: 0.5, radius: 3 })).toBeLessThanOrEqual(2);
  });

  it.each(magnitudeNames.filter((name) => !usesRadius(name)))('%s does not depend on the radius', (name) => {
    const at = (radius: number) => magnitudeValue(name, 1.5, { alpha: 1, beta: 0.5, radius });
    expect(at(0.3)).toBe(at(30));
  });
});

describe('angular activations', () => {
  it.each(angularNames)('%s is 1 at 0°, 0 at 90° and −1 at 180°', (name) => {
    expect(angularValue(name, 0, 0.3)).toBeCloseTo(1, 12);
    expect(angularValue(name, Math.PI / 2, 0.3)).toBeCloseTo(0, 12);
    expect(angularValue(name, Math.PI, 0.3)).toBeCloseTo(-1, 12);
  });

  it.each([
    [0.3, [1, 0.95091, 0.71024, 0, -0.71024, -0.95091, -1]],
    [0.7, [1, 0.78434, 0.44229, 0, -0.44229, -0.78434, -1]],
  ])('sigmoid with k = %d has the tabled values', (k, expected) => {
    const thirds = [0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1];
    for (const [i, share] of thirds.entries()) {
      expect(angularValue('sigmoid', share * Math.PI, k)).toBeCloseTo(expected[i]!, 5);
    }
  });

  it('sigmoid in its stable form equals the paper’s quotient of exponentials', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: Math.PI, noNaN: true }),
        fc.double({ min: 0.1, max: 2, noNaN: true }),
        (theta, k) => {
          const a = Math.exp(-Math.PI / (2 * k));
          const b = Math.exp(theta / k - Math.PI / (2 * k));
          expect(angularValue('sigmoid', theta, k)).toBeCloseTo(
            ((1 + a) / (1 - a)) * ((1 - b) / (1 + b)),
            10,
          );
        },
      ),
    );
  });

  it('square cosine keeps the sign', () => {
    expect(angularValue('square-cosine', Math.PI / 3, 1)).toBeCloseTo(0.25, 12);
    expect(angularValue('square-cosine', (2 * Math.PI) / 3, 1)).toBeCloseTo(-0.25, 12);
  });

  it.each(angularNames)('%s falls all the way', (name) => {
    const { y } = angularCurve(name, 0.5);
    for (const [i, value] of y.entries()) if (i > 0) expect(value).toBeLessThanOrEqual(y[i - 1]! + 1e-12);
  });
});

describe('curves', () => {
  it('begin at 0 and end at the largest norm', () => {
    const { x, y } = magnitudeCurve('tanh', { alpha: 2, beta: 0, radius: 0.5 }, 4, 5);
    expect(x).toEqual([0, 1, 2, 3, 4]);
    expect(y[1]).toBeCloseTo(2 * Math.tanh(2), 12);
  });
});

describe('operators', () => {
  it('have the paper’s names', () => {
    expect(magnitudeNames.map(operatorName)).toEqual([
      'SphereConv',
      'BallConv',
      'TanhConv',
      'LinearConv',
      'SegConv',
      'LogConv',
      'MixConv',
    ]);
  });

  it('take later inputs over earlier ones and defaults for the rest', () => {
    const operator = resolveOperator({ magnitude: 'ball', rho: 2 }, { rho: 3 });
    expect(operator).toMatchObject({
      magnitude: 'ball',
      angular: 'cosine',
      rho: 3,
      radius: 'adaptive',
      learnRho: 'per-filter',
    });
  });

  it('start a k that is learned where the authors do, |0.7| + 0.05, and keep a fixed one at 0.3', () => {
    expect(resolveOperator({ angular: 'sigmoid' }).k).toBe(0.3);
    expect(resolveOperator({ angular: 'sigmoid', learnK: 'per-filter' }).k).toBe(0.75);
    expect(resolveOperator({ learnK: 'per-layer' }, { angular: 'sigmoid' }).k).toBe(0.75);
    expect(resolveOperator({ learnK: 'per-layer' }, { learnK: false }).k).toBe(0.3);
    expect(resolveOperator({ learnK: 'per-filter', k: 0.4 }).k).toBe(0.4);
  });

  it('give mix a β of 1 and seg one of 0.5', () => {
    expect(resolveOperator({ magnitude: 'mix' }).beta).toBe(1);
    expect(resolveOperator({ magnitude: 'seg' }).beta).toBe(0.5);
  });
});
