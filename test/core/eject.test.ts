import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/core/config/parse.js';
import { ejectPreset } from '../../src/core/config/presets/eject.js';
import type { DcnetError } from '../../src/core/errors.js';

const input = { shape: [32, 32, 3] as const, classes: 7 };
const text = (preset: string): string => `{
  // the data
  "data": { "dataset": "fashion-mnist-sample" }, // bundled
  "layers": { "preset": ${preset} }, // the network
  "epochs": 3 /* a few */
}
`;

describe('ejecting a preset', () => {
  it('puts its layers in its place, one a line, and keeps the rest of the text', () => {
    const ejected = ejectPreset(text('"mnist-2d", "widths": [4, 5, 6], "activation": "prelu"'), 'a', 7);
    expect(ejected).toBe(`{
  // the data
  "data": { "dataset": "fashion-mnist-sample" }, // bundled
  "layers": [
    { "type": "conv", "filters": 4, "activation": "prelu" },
    { "type": "conv", "filters": 4, "activation": "prelu" },
    { "type": "max-pool" },
    { "type": "conv", "filters": 5, "activation": "prelu" },
    { "type": "conv", "filters": 5, "activation": "prelu" },
    { "type": "max-pool" },
    { "type": "conv", "filters": 6, "activation": "prelu" },
    { "type": "conv", "filters": 6, "activation": "prelu" },
    { "type": "max-pool" },
    { "type": "conv", "name": "embedding", "filters": 2, "padding": "valid", "batchNorm": false, "activation": "none" },
    { "type": "global-average-pool" },
    { "type": "dense", "name": "scores", "units": 7 }
  ], // the network
  "epochs": 3 /* a few */
}
`);
  });

  it.each([
    '"cnn-9"',
    '"cnn-9", "batchNorm": false, "activation": "none"',
    '"resnet-32"',
    '"resnet-32", "batchNorm": false, "activation": "prelu", "units": [1, 2, 1]',
    '"resnet-18"',
    '"mnist-2d"',
  ])('%s gives the same network, names and so initial weights included', (preset) => {
    for (const before of [
      text(preset),
      text(preset).replaceAll('\n', '\r\n'),
      text(preset).replaceAll(/\/\/.*\n|\n/g, ' '),
    ]) {
      const ejected = parseConfig(ejectPreset(before, 'a', 7), input);
      expect(ejected.problems).toEqual([]);
      expect(ejected.network).toEqual(parseConfig(before, input).network);
      expect(ejected.network).toBeDefined();
      expect(ejected.layerRanges.every(({ inPreset }) => !inPreset)).toBe(true);
    }
  });

  it('needs a preset, and to know the number of classes', () => {
    const fail = (before: string, classes?: number): string => {
      try {
        return ejectPreset(before, 'a.dcnet.json', classes);
      } catch (thrown) {
        return (thrown as DcnetError).describe();
      }
    };
    expect(fail(text('"cnn-9"'))).toMatch('a.dcnet.json: layers: The number of classes is not known');
    expect(fail(text('"cnn-9", "classes": 4'))).toContain('"units": 4');
    expect(fail(ejectPreset(text('"cnn-9"'), 'a', 3), 3)).toMatch('there is nothing to eject');
  });
});
