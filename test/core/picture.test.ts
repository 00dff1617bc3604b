import { describe, expect, it } from 'vitest';
import { layerWords } from '../../src/core/config/layerWords.js';
import { angularNames, magnitudeNames } from '../../src/core/config/operatorSchema.js';
import { parseConfig } from '../../src/core/config/parse.js';
import { operatorPicture } from '../../src/core/operator/picture.js';

const colours = { norm: '#010101', angle: '#020202', text: '#030303', quiet: '#040404' };
const parameters = { alpha: 1, beta: 0.5, radius: 2 };
const measured = {
  // as many a unit of ‖x‖ in the first bin as in the second, which is twice as wide
  norm: { edges: [0, 2, 6], counts: [10, 20] },
  angle: { edges: [0, 90, 180], counts: [1, 3] },
};

/** The points of the curve in a colour. */
function curveOf(svg: string, colour: string): [number, number][] {
  const path = new RegExp(`<path d="M([^"Z]+)" fill="none" stroke="${colour}"`).exec(svg)?.[1] ?? '';
  return path.split('L').map((point) => point.split(' ').map(Number) as [number, number]);
}

describe('the picture of an operator', () => {
  it.each(
    magnitudeNames.flatMap((magnitude) => angularNames.map((angular) => [magnitude, angular] as const)),
  )('of %s and %s is made of finite numbers', (magnitude, angular) => {
    for (const data of [{}, { measured }]) {
      const svg = operatorPicture({ magnitude, angular, parameters, k: 0.3, ...data }, colours);
      expect(svg).toMatch(/^<svg [^>]+>(<(path|line|text) [^<>]+(\/>|>[^<>]+<\/text>))+<\/svg>$/);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  it('draws h straight to the radius and level from there, and marks it', () => {
    const svg = operatorPicture(
      { magnitude: 'ball', angular: 'cosine', parameters, k: 1, only: 'h' },
      colours,
    );
    const curve = curveOf(svg, colours.norm);
    const [first, last] = [curve[0]!, curve.at(-1)!];
    const third = first[0] + (last[0] - first[0]) / 3; // three radii are shown
    const [, y] = curve.find(([x]) => x >= third)!;
    expect(y).toBeCloseTo(last[1], 0);
    const half = curve.find(([x]) => x >= first[0] + (last[0] - first[0]) / 6)!;
    expect(half[1]).toBeCloseTo((first[1] + last[1]) / 2, -0.5);
    expect(svg).toContain(`x1="${Math.round(third * 10) / 10}"`);
    expect(svg).not.toContain(colours.angle);
  });

  it('draws g through 1, 0 and −1, evenly spaced', () => {
    const svg = operatorPicture(
      { magnitude: 'log', angular: 'linear', parameters, k: 1, only: 'g' },
      colours,
    );
    const curve = curveOf(svg, colours.angle);
    const middle = curve[(curve.length - 1) / 2]!;
    expect(2 * middle[1]).toBeCloseTo(curve[0]![1] + curve.at(-1)![1], 0);
    expect(svg).not.toContain(colours.norm);
  });

  it('draws densities by area: equal counts a unit are equally high', () => {
    const svg = operatorPicture(
      { magnitude: 'linear', angular: 'cosine', parameters, k: 1, measured },
      colours,
    );
    const area = new RegExp(`<path d="M([^"]+)Z" fill="${colours.norm}"`).exec(svg)?.[1] ?? '';
    const heights = area.split('L').map((point) => Number(point.split(' ')[1]));
    expect(heights[1]).toBe(heights[3]);
  });
});

describe('what a layer is in a few words', () => {
  it.each([
    ['{ "type": "conv", "filters": 16 }', 'TanhConv · cosine → 28×28×16 · 192 parameters'],
    [
      '{ "type": "conv", "filters": 4, "kernel": 1, "stride": 2, "batchNorm": false, "operator": { "magnitude": "seg", "angular": "square-cosine" } }',
      'SegConv · square cosine → 14×14×4 · 8 parameters',
    ],
    [
      '{ "type": "conv", "filters": 2, "operator": "inner-product" }',
      'inner product → 28×28×2 · 22 parameters',
    ],
    ['{ "type": "max-pool" }', '→ 14×14×1'],
  ])('%s', (layer, words) => {
    const text = `{ "data": { "dataset": "fashion-mnist-sample" }, "layers": [${layer}, { "type": "flatten" }, { "type": "dense", "units": 10 }] }`;
    const { network } = parseConfig(text, { shape: [28, 28, 1], classes: 10 });
    expect(layerWords(network!.layers[0]!)).toBe(words);
  });
});
