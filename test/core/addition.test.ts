import { applyEdits } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/core/config/parse.js';
import { textEdits } from '../../src/core/config/textEdits.js';

const input = { shape: [15, 15, 1] as const, classes: 10 };
const text = (add: string, before = '{ "type": "conv", "filters": 4 }'): string => `{
  "data": { "dataset": "fashion-mnist-sample" },
  "layers": [
    { "type": "conv", "name": "start", "filters": 4 },
    ${before},
    ${add},
    { "type": "flatten" },
    { "type": "dense", "units": 10 }
  ]
}`;
const halving = '{ "type": "conv", "filters": 6, "stride": 2 }';

describe('an addition', () => {
  it('takes names that layers have by default, and a stride from the sides', () => {
    // 15 → 8 with padding, so a stride of 2.
    const { network, problems } = parseConfig(
      text('{ "type": "add", "from": "start", "projection": true }', halving),
      input,
    );
    expect(problems).toEqual([]);
    expect(network?.layers[2]).toEqual({
      type: 'add',
      name: 'add1',
      index: 2,
      from: 'start',
      fromShape: [15, 15, 4],
      inputShape: [8, 8, 6],
      outputShape: [8, 8, 6],
      projection: { stride: 2, batchNorm: true },
      activation: 'relu',
    });
    const second = parseConfig(text('{ "type": "add", "from": "conv2" }'), input);
    expect(second.network?.layers[2]).toMatchObject({ projection: undefined, from: 'conv2' });
  });

  it.each([
    [
      '{ "type": "add", "from": "strat" }',
      undefined,
      'there is no layer strat',
      'Change|Set "from" to "start"',
    ],
    ['{ "type": "add", "from": "flatten1" }', undefined, 'flatten1 comes after it', undefined],
    ['{ "type": "add", "from": "add1" }', undefined, 'add1 is this layer itself', undefined],
    [
      '{ "type": "add", "from": "start" }',
      halving,
      'reaches it is 8×8×6, but start gives 15×15×4',
      'Set "projection" to true',
    ],
    [
      '{ "type": "add", "from": "start", "projection": true }',
      '{ "type": "conv", "filters": 4, "kernel": 5, "padding": "valid" }',
      'no stride of a projection',
      undefined,
    ],
    [
      '{ "type": "add", "from": "start", "projection": true }',
      undefined,
      'projection has no effect',
      'Remove "projection"',
    ],
    [
      '{ "type": "add", "from": "start", "batchNorm": true }',
      undefined,
      'batchNorm has no effect',
      'Remove "batchNorm"',
    ],
    [
      '{ "type": "add", "from": "start" }',
      '{ "type": "flatten" }, { "type": "dense", "units": 4 }',
      'Add layers of one shape',
      undefined,
    ],
  ])('%s after %s: %s', (add, before, message, fix) => {
    const written = text(add, before);
    const { problems } = parseConfig(written, input);
    expect(problems.map((problem) => `${problem.message} ${problem.remedy}`).join('\n')).toContain(message);
    const [problem] = problems;
    const [first] = problem?.fixes ?? [];
    if (fix === undefined) expect(first).toBeUndefined();
    else {
      expect(first?.title).toMatch(new RegExp(fix));
      expect(parseConfig(applyEdits(written, [...textEdits(written, first!)]), input).problems).toEqual([]);
    }
  });

  it('is refused before any layer', () => {
    const { problems } = parseConfig(
      '{ "data": { "dataset": "fashion-mnist-sample" }, "layers": [{ "type": "add", "from": "conv1" }, { "type": "flatten" }, { "type": "dense", "units": 10 }] }',
      input,
    );
    expect(problems[0]?.message).toBe('add1: there is no layer before it.');
  });

  it('is checked for its names before the data are known', () => {
    expect(parseConfig(text('{ "type": "add", "from": "nothing" }')).problems).toHaveLength(1);
    expect(parseConfig(text('{ "type": "add", "from": "start" }')).problems).toEqual([]);
  });
});
