import { describe, expect, it } from 'vitest';
import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import {
  comparePredictions,
  confusionMatrix,
  errorRows,
  normaliseMatrix,
  similarityOrder,
} from '../../src/core/verdict/confusion.js';
import { errorsCsv } from '../../src/core/verdict/csv.js';
import {
  angularMargin,
  angularVisualHardness,
  decideVerdict,
  percentileOf,
  verdictOf,
} from '../../src/core/verdict/verdict.js';

const none = { norm: false, angle: false };
const norm = { norm: true, angle: false };
const angle = { norm: false, angle: true };
const both = { norm: true, angle: true };

describe('a verdict', () => {
  it('has a word for each outcome', () => {
    expect([norm, angle, both, none].map(verdictOf)).toEqual(['norm', 'angle', 'both', 'neither']);
  });

  it('is of the earliest layer that turns, in the first half', () => {
    expect(decideVerdict([none, norm, both, angle], false)).toEqual({ verdict: 'norm', layer: 1 });
    expect(decideVerdict([both, norm], false)).toEqual({ verdict: 'both', layer: 0 });
    expect(decideVerdict([none, angle, both], false)).toEqual({ verdict: 'angle', layer: 1 });
    expect(decideVerdict([none, none, both], false)).toEqual({ verdict: 'neither', layer: -1 });
  });

  it('falls to the score layer’s norms where only its cosines are right', () => {
    expect(decideVerdict([none, none, angle], true)).toEqual({ verdict: 'norm', layer: 3 });
    expect(decideVerdict([angle], true)).toEqual({ verdict: 'angle', layer: 0 });
    expect(decideVerdict([], true)).toEqual({ verdict: 'norm', layer: 0 });
    expect(decideVerdict([], false)).toEqual({ verdict: 'neither', layer: -1 });
  });
});

describe('angles at the score layer', () => {
  // 60°, 90° and 120°.
  const cosines = [0.5, 0, -0.5];

  it('give hardness and margin', () => {
    expect(angularVisualHardness(cosines, 0)).toBeCloseTo(60 / 270, 12);
    expect(angularVisualHardness(cosines, 2)).toBeCloseTo(120 / 270, 12);
    expect(angularVisualHardness([1, 1], 0)).toBe(0);
    expect(angularMargin(cosines, 2, 0)).toBeCloseTo(60, 12);
    expect(angularMargin([1.0000001, 0], 1, 0)).toBeCloseTo(90, 12);
  });

  it('stand beside a percentile of norms', () => {
    expect([0, 1, 2.5, 4, 9].map((value) => percentileOf([1, 2, 3, 4], value))).toEqual([0, 0.25, 0.5, 1, 1]);
    expect(percentileOf([], 1)).toBeNaN();
  });
});

describe('a confusion matrix', () => {
  const labels = [0, 0, 0, 1, 1, 2, 2, 3];
  const predicted = [0, 0, 2, 1, 3, 0, 2, 1];
  const matrix = confusionMatrix(labels, predicted, 4);

  it('counts images by true and predicted class', () => {
    expect(matrix).toEqual([
      [2, 0, 1, 0],
      [0, 1, 0, 1],
      [1, 0, 1, 0],
      [0, 1, 0, 0],
    ]);
  });

  it('is a share of rows or columns', () => {
    expect(normaliseMatrix(matrix, 'none')).toBe(matrix);
    expect(normaliseMatrix(matrix, 'row')[0]).toEqual([2 / 3, 0, 1 / 3, 0]);
    expect(normaliseMatrix(matrix, 'column')[0]).toEqual([2 / 3, 0, 1 / 2, 0]);
    expect(
      normaliseMatrix(
        [
          [0, 0],
          [0, 2],
        ],
        'row',
      )[0],
    ).toEqual([0, 0]);
  });

  it('puts classes that are taken for each other side by side', () => {
    // 1↔3 is the most confused pair (½ + 1), 0↔2 the next: ½ + ⅓.
    const order = similarityOrder(matrix);
    expect([...order].sort()).toEqual([0, 1, 2, 3]);
    expect(Math.abs(order.indexOf(1) - order.indexOf(3))).toBe(1);
    expect(Math.abs(order.indexOf(0) - order.indexOf(2))).toBe(1);
  });

  it('of two checkpoints tells fixed from regressed', () => {
    expect(comparePredictions([0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0])).toEqual({
      bothRight: 1,
      fixed: [1],
      regressed: [2],
      bothWrong: [3],
    });
  });
});

describe('errors as CSV', () => {
  const analysis = {
    run: 'run, the "first"',
    checkpoint: '/a/b/epoch-0003.dcnet.safetensors',
    split: 'test',
    classNames: ['=cat', 'dog'],
    layers: ['conv1', 'dense1'],
    labels: [0, 1, 1],
    predicted: [1, 1, 0],
    errors: {
      index: [0, 2],
      verdict: ['norm', 'neither'],
      layer: [1, -1],
      marginDegrees: [1.5, 2],
      featureNorm: [3, 4],
      normPercentile: [0.25, -1],
      hardness: [0.6, 0.55],
    },
  } as unknown as ErrorAnalysis;

  it('has one quoted line for each, and no formula', () => {
    expect(errorsCsv(analysis, errorRows(analysis)).split('\r\n')).toEqual([
      'run,checkpoint,split,image,true class,predicted class,verdict,layer,angular margin (degrees),feature norm,norm percentile of class,angular visual hardness',
      '"run, the ""first""",epoch-0003.dcnet.safetensors,test,0,\'=cat,dog,norm,dense1,1.5,3,0.25,0.6',
      '"run, the ""first""",epoch-0003.dcnet.safetensors,test,2,dog,\'=cat,neither,,2,4,,0.55',
      '',
    ]);
  });
});
