import { describe, expect, it } from 'vitest';
import { layerWords } from '../../src/core/config/layerWords.js';
import { resolveNetwork } from '../../src/core/config/network.js';
import { weightingNames } from '../../src/core/config/operatorSchema.js';
import { parameterCount } from '../../src/core/config/parameters.js';
import { configSchema } from '../../src/core/config/schema.js';
import { angularValue } from '../../src/core/operator/angular.js';
import { magnitudeValue } from '../../src/core/operator/magnitude.js';
import { isBcos, resolveOperator } from '../../src/core/operator/operator.js';
import { radiusFor, weightedParameters } from '../../src/core/operator/weighting.js';
import { angularFormula, magnitudeFormula, operatorTitle } from '../../src/core/operator/words.js';

describe('weighted operators', () => {
  it('have the values of their formulas at ‖x‖ = 2, ‖w‖ = 3, ρ = 4 and E‖x‖ = 0.5', () => {
    const [norm, weightNorm, rho, radius] = [2, 3, 4, 2];
    const h = weightingNames.map((weighting) => {
      const parameters = { alpha: 1.5, beta: 0, radius: radiusFor(weighting, radius, weightNorm) };
      return magnitudeValue('tanh', norm, weightedParameters(parameters, weighting, weightNorm, rho));
    });
    // 1.5·tanh 1, three times that, 1.5·tanh 3, 1.5·tanh ¾·tanh 1
    const expected = [1.1423912339, 3.4271737018, 1.4925821306, 0.7255885954];
    h.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 9);
    });
  });

  it('are named and written', () => {
    const tanh = resolveOperator({ weighting: 'joint-tanh' });
    expect(operatorTitle(tanh)).toBe('TanhConv · cosine · jointly weighted');
    expect(magnitudeFormula('seg', 'linear')).toBe('h = ‖w‖·(α‖x‖ up to R, slope β beyond)');
    expect(magnitudeFormula('log', 'linear')).toBe('h = ‖w‖·α·ln(1 + ‖x‖)');
    expect(magnitudeFormula('tanh', 'separate-tanh')).toBe('h = α·tanh(‖w‖/ρ)·tanh(‖x‖/R)');
  });
});

describe('the exponent of the square cosine', () => {
  it.each([
    [60, 1, 0.5],
    [60, 2, 0.25],
    [60, 3, 0.125],
    [120, 3, -0.125],
    [60, 1.5, 0.3535533906],
    [90, 7, 0],
    [180, 5.5, -1],
  ])('gives sign(cos)·|cos|^B at %d° with B = %d', (degrees, exponent, expected) => {
    expect(angularValue('square-cosine', (degrees * Math.PI) / 180, 1, exponent)).toBeCloseTo(expected, 9);
  });

  it('makes LinearConv a B-cos network, and is written where it is not 2', () => {
    const operator = resolveOperator({ magnitude: 'linear', angular: 'square-cosine', exponent: 1.5 });
    expect(isBcos(operator)).toBe(true);
    expect(isBcos({ ...operator, weighting: 'linear' })).toBe(false);
    expect(operatorTitle(operator)).toBe('LinearConv · cosine^1.5');
    expect(angularFormula('square-cosine', 1.5)).toBe('g = sign(cos θ)·|cos θ|^1.5');
    expect(angularFormula('square-cosine')).toBe('g = sign(cos θ)·cos²θ');
  });
});

describe('a config', () => {
  const resolved = (more: object, layers: readonly object[]) =>
    resolveNetwork(
      configSchema.parse({
        data: { idx: '.' },
        ...more,
        layers: [...layers, { type: 'flatten' }, { type: 'dense', units: 3 }],
      }),
      { shape: [4, 4, 1], classes: 3 },
    );

  it('says which magnitude a weighting needs, where it stands', () => {
    const layers = [
      { type: 'conv', filters: 2 },
      { type: 'conv', filters: 2, operator: { magnitude: 'seg' } },
    ];
    const { network, problems } = resolved({ operator: { weighting: 'joint-tanh' } }, layers);
    expect(network).toBeUndefined();
    expect(problems).toMatchObject([{ severity: 'error', path: ['layers', 1, 'operator', 'magnitude'] }]);
    const everywhere = resolved({ operator: { magnitude: 'log', weighting: 'separate-tanh' } }, [
      layers[0]!,
      layers[0]!,
    ]);
    expect(everywhere.problems).toMatchObject([
      { severity: 'error', path: ['operator', 'weighting'], remedy: expect.stringContaining('tanh') },
    ]);
    expect(resolved({ operator: { magnitude: 'log', weighting: 'linear' } }, [layers[0]!]).problems).toEqual(
      [],
    );
  });

  it('warns of an exponent without square cosine, and of terms of decoupled filters where there are none', () => {
    const own = resolved({}, [{ type: 'conv', filters: 2, operator: { exponent: 3 } }]);
    expect(own.problems).toMatchObject([
      { severity: 'warning', path: ['layers', 0, 'operator', 'exponent'] },
    ]);
    const plain = resolved({ orthogonality: 1e-5, filterGradients: 'weighted' }, [
      { type: 'conv', filters: 2, operator: 'inner-product' },
    ]);
    expect(plain.problems.map(({ severity, path }) => [severity, path])).toEqual([
      ['warning', ['filterGradients']],
      ['warning', ['orthogonality']],
    ]);
  });

  it('makes a dense layer decoupled where that has an operator, and plain where it has none', () => {
    const fits = resolveNetwork(
      configSchema.parse({
        data: { idx: '.' },
        operator: { magnitude: 'ball' },
        layers: [
          { type: 'flatten' },
          { type: 'dense', units: 5, operator: { angular: 'sigmoid', learnK: 'per-layer' } },
          { type: 'dense', units: 3 },
        ],
      }),
      { shape: [4, 4, 1], classes: 3 },
    ).network!;
    const [, decoupled, plain] = fits.layers;
    expect(decoupled).toMatchObject({ operator: { magnitude: 'ball', angular: 'sigmoid' } });
    expect(plain).toMatchObject({ operator: undefined });
    expect(parameterCount(decoupled!)).toBe(16 * 5 + 5 + 1);
    expect(parameterCount(plain!)).toBe(15);
    expect(layerWords(decoupled!)).toMatch(/^BallConv · sigmoid → 5/);
  });
});
