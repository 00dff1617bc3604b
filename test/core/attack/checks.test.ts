import { describe, expect, test } from 'vitest';
import { robustnessChecks } from '../../../src/core/attack/checks.js';
import type { RobustnessCurve, RobustnessMeasurement } from '../../../src/core/attack/robustness.js';

const rising = [
  [1, 1.1, 1.2],
  [1, 2, 3],
];
const curve = (
  attack: RobustnessCurve['attack'],
  accuracies: number[],
  access: RobustnessCurve['access'] = 'white-box',
): RobustnessCurve => ({ attack, access, accuracies, objectives: rising });

/** A network without anything to object to. */
const sound: RobustnessMeasurement = {
  version: 1,
  ...{ checkpoint: 'c', checkpointSha256: '', epoch: 1, step: 1, data: 'd', split: 'test', backend: 'wasm' },
  ...{ sampleSize: 200, splitSize: 1000, classes: 10, seed: 1, norm: 'linf', epsilons: [2, 8] },
  ...{ steps: 2, restarts: 1, targeted: false, accuracy: 0.9 },
  curves: [
    curve('fgsm', [0.7, 0.3]),
    curve('bim', [0.6, 0.1]),
    curve('pgd', [0.6, 0.1]),
    curve('fgsm', [0.85, 0.6], 'transfer'),
  ],
  noise: [0.89, 0.85],
  zeroGradients: 0,
  unbounded: { epsilon: 255, steps: 40, accuracy: 0 },
};
const statuses = (changes: Partial<RobustnessMeasurement> = {}) =>
  Object.fromEntries(robustnessChecks({ ...sound, ...changes }).map(({ name, status }) => [name, status]));
const failing = (changes: Partial<RobustnessMeasurement>): string[] =>
  robustnessChecks({ ...sound, ...changes })
    .filter(({ status }) => status === 'failed')
    .map(({ name, meaning }) => {
      expect(meaning).toBeTruthy();
      return name;
    });

describe('what shows that gradients are masked', () => {
  test('is not seen where there is nothing', () => {
    expect(new Set(Object.values(statuses()))).toEqual(new Set(['passed']));
  });

  test('is an attack that does less where it may do more; FGSM may', () => {
    const weak = curve('bim', [0.3, 0.32]);
    expect(failing({ curves: [curve('fgsm', [0.7, 0.4]), weak] })).toEqual(['falling']);
    const curves = [curve('fgsm', [0.7, 0.4]), weak, curve('pgd', [0.6, 0.31])];
    expect(failing({ curves })).toEqual([]); // the better of the two counts, and one image in a hundred is chance
    expect(failing({ curves: [curve('fgsm', [0.7, 0.8]), curve('bim', [0.6, 0.1])] })).toEqual([]);
    const only = (accuracies: number[], epsilons: number[]) =>
      robustnessChecks({
        ...sound,
        epsilons,
        curves: [{ ...curve('bim', accuracies), objectives: epsilons.map(() => rising[0]!) }],
        noise: epsilons.map(() => 0.9),
      }).find(({ name }) => name === 'falling');
    expect(only([0.3, 0.2, 0.25], [2, 4, 8])).toMatchObject({
      status: 'failed',
      sentence: expect.stringMatching(/at ε = 8\.$/),
    });
    expect(only([0.3], [8])!.status).toBe('not-run');
  });

  test('is an attack with room for everything that leaves something', () => {
    expect(failing({ unbounded: { epsilon: 255, steps: 40, accuracy: 0.051 } })).toEqual(['unbounded']);
  });

  test('is one step that does more than many, if only at one ε', () => {
    const curves = [curve('fgsm', [0.7, 0.3]), curve('bim', [0.6, 0.32])];
    expect(failing({ curves })).toEqual(['iterative']);
    const [told] = robustnessChecks({ ...sound, curves }).filter(({ name }) => name === 'iterative');
    expect(told!.sentence).toContain('ε = 8.');
    // One image in a hundred is chance, and the better of BIM and PGD counts.
    expect(failing({ curves: [curve('fgsm', [0.7, 0.3]), curve('bim', [0.6, 0.31])] })).toEqual([]);
    expect(failing({ curves: [...curves, curve('pgd', [0.7, 0.2])] })).toEqual([]);
  });

  test('is another network whose gradients do more', () => {
    const curves = [...sound.curves.slice(0, 3), curve('pgd', [0.5, 0.1], 'transfer')];
    expect(failing({ curves })).toEqual(['white-box']);
  });

  test('is noise that does more than an attack', () => {
    expect(failing({ noise: [0.6, 0.85] })).toEqual(['noise']);
  });

  test('is a loss that falls on the way; a small dip is none', () => {
    const withLoss = (objectives: number[]) => ({
      curves: [
        curve('fgsm', [0.7, 0.3]),
        { ...curve('bim', [0.6, 0.1]), objectives: [rising[0]!, objectives] },
      ],
    });
    expect(failing(withLoss([1, 3, 2.8]))).toEqual(['steps']);
    expect(failing(withLoss([1, 3, 2.95]))).toEqual([]);
    expect(failing(withLoss([3, 2, 1]))).toEqual(['steps']);
  });

  test('are images without a gradient', () => {
    expect(failing({ zeroGradients: 0.02 })).toEqual(['gradients']);
  });
});

test('FGSM alone is no evidence, and what needs more is not called passed', () => {
  const { unbounded: _, ...rest } = sound;
  const only = robustnessChecks({ ...rest, curves: [curve('fgsm', [0.9, 0.9])], noise: [0.9, 0.9] });
  expect(Object.fromEntries(only.map(({ name, status }) => [name, status]))).toEqual({
    attacks: 'failed',
    falling: 'not-run',
    unbounded: 'not-run',
    iterative: 'not-run',
    'white-box': 'not-run',
    noise: 'passed',
    steps: 'not-run',
    gradients: 'passed',
  });
  expect(only[0]!.meaning).toContain('FGSM alone is no evidence of robustness');
});
