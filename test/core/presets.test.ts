import { describe, expect, it } from 'vitest';
import { type ImageShape, resolveNetwork } from '../../src/core/config/network.js';
import { parseConfig } from '../../src/core/config/parse.js';
import { configSchema } from '../../src/core/config/schema.js';
import { networkSummary, totalsWords } from '../../src/core/config/summary.js';

const data = { dataset: 'fashion-mnist-sample' };

function networkOf(fields: object, shape: ImageShape, classes: number) {
  const { network, problems } = resolveNetwork(configSchema.parse({ data, ...fields }), { shape, classes });
  expect(problems).toEqual([]);
  return network!;
}

describe('presets', () => {
  it('ResNet-32 has the size of the authors’ network for CIFAR-100', () => {
    const network = networkOf({ layers: { preset: 'resnet-32' } }, [32, 32, 3], 100);
    const { total, layers } = networkSummary(network);
    // 31 decoupled convolutions: the first, 10 of 96, 10 of 192, 10 of 384 filters; two projections; the score layer.
    expect(total).toEqual({
      weights:
        2592 + 10 * 82944 + (165888 + 9 * 331776) + (663552 + 9 * 1327104) + 96 * 192 + 192 * 384 + 38400,
      radii: 6816,
      k: 0,
      batchNorm: 14784,
      slopes: 0,
      parameters: 16_721_952 + 6816 + 14784,
      multiplyAdds: 2_475_234_816,
    });
    expect(total.weights).toBe(16_721_952);
    expect(layers.filter(({ type }) => type === 'conv')).toHaveLength(31);
    expect(layers.find(({ name }) => name === 'unit2-1')).toEqual({
      name: 'unit2-1',
      type: 'add',
      operator: '+ unit1-5, projected',
      outputShape: [16, 16, 192],
      weights: 96 * 192,
      radii: 0,
      k: 0,
      batchNorm: 2 * 192,
      slopes: 0,
      parameters: 96 * 192 + 384,
      multiplyAdds: 256 * 96 * 192,
    });
    expect(totalsWords(networkSummary(network))).toBe(
      '48 layers · 16,743,552 parameters · 2,475,234,816 multiply-adds an image',
    );
    const stem = network.layers[0]!;
    expect(stem).toMatchObject({ name: 'stem', activation: 'none', batchNorm: true });
    expect(network.layers[2]).toMatchObject({ name: 'unit1-1b', activation: 'none' });
    expect(network.layers[3]).toMatchObject({ name: 'unit1-1', from: 'stem', activation: 'relu' });
  });

  it('ResNet-18 on crops of 224 of ImageNet’s 256 is that on images of 224', () => {
    const fields = { layers: { preset: 'resnet-18' } };
    const cropped = networkOf(
      { ...fields, augmentation: { crop: [224, 224], flip: true } },
      [256, 256, 3],
      1000,
    );
    expect(cropped).toEqual(networkOf(fields, [224, 224, 3], 1000));
  });

  it('ResNet-18 is the authors’ modified network for ImageNet', () => {
    const { layers } = networkOf({ layers: { preset: 'resnet-18' } }, [224, 224, 3], 1000);
    const sides = (name: string) => layers.find((layer) => layer.name === name)?.outputShape;
    expect(sides('stem')).toEqual([112, 112, 128]);
    expect(sides('stem-pool')).toEqual([56, 56, 128]);
    expect(sides('unit1-1')).toEqual([56, 56, 128]);
    expect(sides('unit2-2')).toEqual([28, 28, 256]);
    expect(sides('unit3-3')).toEqual([14, 14, 512]);
    expect(sides('unit4-1')).toEqual([7, 7, 1024]);
    expect(layers.filter(({ type }) => type === 'conv')).toHaveLength(18);
    expect(layers.filter((layer) => layer.type === 'add').map(({ activation }) => activation)).toEqual(
      Array(7).fill('none'),
    );
    expect(layers[0]).toMatchObject({ activation: 'prelu', kernel: 7, stride: 2 });
    const slopes = layers.flatMap((layer) =>
      'activation' in layer && layer.activation === 'prelu' ? [layer.initialSlope] : [],
    );
    // The stem, three convolutions that halve the map, the first of each of seven units: prelu's start in DCNet_modified_ResNet.py.
    expect(slopes).toEqual(Array(11).fill(0));
  });

  it.each([[[64, 128, 256]], [[128, 192, 256]], [[32, 64, 128]]])(
    'CNN-9 of %j has nine convolutions in three stages',
    (widths) => {
      const network = networkOf({ layers: { preset: 'cnn-9', widths } }, [32, 32, 3], 100);
      const { total } = networkSummary(network);
      const [a, b, c] = widths as [number, number, number];
      const convs = 9 * (3 * a + 2 * a * a + a * b + 2 * b * b + b * c + 2 * c * c);
      expect(total.weights).toBe(convs + 16 * c * 256 + 256 * 100);
      expect(total.radii).toBe(3 * (a + b + c) + 256);
      expect(total.batchNorm).toBe(2 * 3 * (a + b + c));
      expect(total.multiplyAdds).toBe(
        1024 * 9 * (3 * a + 2 * a * a) +
          256 * 9 * (a * b + 2 * b * b) +
          64 * 9 * (b * c + 2 * c * c) +
          16 * c * 256 +
          25600,
      );
    },
  );

  it('a plain CNN-9 without batch normalisation and ReLU has neither', () => {
    const { layers } = networkOf(
      { operator: 'inner-product', layers: { preset: 'cnn-9', batchNorm: false, activation: 'none' } },
      [32, 32, 3],
      10,
    );
    for (const layer of layers) {
      if (layer.type !== 'conv' && layer.type !== 'dense') continue;
      expect(layer).toMatchObject({ batchNorm: false, activation: 'none' });
      expect(layer.operator).toBeUndefined();
    }
  });

  it('CNN-9’s dense layer has the network’s operator, and nothing follows it', () => {
    const operator = { magnitude: 'ball', angular: 'square-cosine' };
    const { layers } = networkOf({ operator, layers: { preset: 'cnn-9' } }, [32, 32, 3], 10);
    expect(layers.at(-2)).toMatchObject({ units: 256, operator, batchNorm: false, activation: 'none' });
    expect(layers.at(-1)).toMatchObject({ name: 'scores', operator: undefined });
  });

  it('CNN-9’s convolutions are warned of where they have no batch normalisation, its dense layer is not', () => {
    const operator = { magnitude: 'linear', angular: 'square-cosine' };
    networkOf({ operator, layers: { preset: 'cnn-9' } }, [32, 32, 3], 10);
  });

  it.each([28, 32, 40])('mnist-2d gives two features of square images of side %d', (side) => {
    const { layers } = networkOf({ layers: { preset: 'mnist-2d' } }, [side, side, 1], 10);
    expect(layers.at(-1)).toMatchObject({ name: 'scores', inputShape: [2], outputShape: [10] });
    expect(layers.at(-3)).toMatchObject({ name: 'embedding', filters: 2, batchNorm: false });
  });
});

describe('a plain network', () => {
  it('has decoupled layers where a layer says so', () => {
    const { layers } = networkOf(
      {
        operator: 'inner-product',
        layers: [
          { type: 'conv', filters: 4 },
          { type: 'conv', filters: 4, operator: { magnitude: 'ball' } },
          { type: 'flatten' },
          { type: 'dense', units: 10 },
        ],
      },
      [8, 8, 1],
      10,
    );
    expect(layers[0]).toMatchObject({ operator: undefined });
    expect(layers[1]).toMatchObject({ operator: { magnitude: 'ball', angular: 'cosine', rho: 1 } });
  });
});

describe('the text of a preset', () => {
  const text = (preset: string): string => `{
  "data": { "dataset": "fashion-mnist-sample" },
  "layers": ${preset},
}`;
  const input = { shape: [28, 28, 1] as const, classes: 10 };

  it('stands for all its layers', () => {
    const { layerRanges, problems } = parseConfig(text('{ "preset": "cnn-9" }'), input);
    expect(problems).toEqual([]);
    expect(layerRanges).toHaveLength(15);
    expect(layerRanges.map(({ name }) => name).slice(0, 5)).toEqual([
      'conv1',
      'conv2',
      'conv3',
      'max-pool1',
      'conv4',
    ]);
    for (const range of layerRanges)
      expect(range).toMatchObject({ inPreset: true, firstLine: 3, lastLine: 3 });
  });

  it.each([
    ['{ "preset": "cnn-8" }', 'layers.preset', '"cnn-9"'],
    ['{ "preset": "cnn-9", "width": [1, 2, 3] }', 'layers.width', '"widths"'],
  ])('%s tells what was meant', (preset, field, suggestion) => {
    expect(parseConfig(text(preset), input).problems).toMatchObject([{ field, suggestion }]);
  });

  it('with other classes than the data is refused, and mended by leaving them out', () => {
    const { problems } = parseConfig(text('{ "preset": "cnn-9", "classes": 7 }'), input);
    expect(problems).toMatchObject([
      { field: 'layers.classes', message: 'The preset gives 7 scores, but the data has 10 classes.' },
    ]);
    expect(problems[0]?.fixes?.map(({ title }) => title)).toEqual([
      'Remove "classes"',
      'Set "classes" to 10',
    ]);
  });

  it('tells once what is wrong with many of its layers, and what the preset can do about it', () => {
    const risky = text('{ "preset": "cnn-9", "batchNorm": false }').replace(
      '"layers"',
      '"operator": { "magnitude": "linear", "angular": "square-cosine" },\n  "layers"',
    );
    expect(parseConfig(risky, input).problems).toMatchObject([
      {
        severity: 'warning',
        field: 'layers',
        fixes: [{ changes: [{ kind: 'set', path: ['layers', 'batchNorm'], value: true }] }],
      },
    ]);
  });

  it('does not fit images that are too small', () => {
    const { problems, network } = parseConfig(text('{ "preset": "mnist-2d" }'), {
      shape: [12, 12, 1],
      classes: 10,
    });
    expect(network).toBeUndefined();
    expect(problems).toMatchObject([{ severity: 'error', field: 'layers', fixes: [] }]);
    expect(problems[0]?.message).toContain('In mnist-2d, embedding: a 3×3 window');
  });
});
