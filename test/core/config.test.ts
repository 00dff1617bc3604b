import Ajv from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configJsonSchema } from '../../src/core/config/jsonSchema.js';
import { parseConfig, requireConfig } from '../../src/core/config/parse.js';
import { DcnetError } from '../../src/core/errors.js';

const input = { shape: [28, 28, 1] as const, classes: 10 };
const minimal = `{
  // the data
  "data": { "dataset": "fashion-mnist-sample" },
  "layers": [
    { "type": "conv", "filters": 16 },
    { "type": "max-pool" },
    { "type": "conv", "name": "second", "filters": 32, "operator": { "magnitude": "ball" } },
    { "type": "global-average-pool" },
    { "type": "dense", "units": 10 },
  ],
}`;

/** Problems of the minimal config after one replacement. */
function problemsAfter(from: string, to: string) {
  expect(minimal).toContain(from);
  const text = minimal.replace(from, to);
  return parseConfig(text, input).problems.map((problem) => ({
    ...problem,
    text: text.slice(problem.offset, problem.offset + problem.length),
  }));
}

describe('a valid config', () => {
  it('may have comments and trailing commas', () => {
    expect(parseConfig(minimal, input)).toMatchObject({ problems: [], config: { epochs: 10, batch: 64 } });
  });

  it.each([
    ['{ "angular": "linear" }', { magnitude: 'tanh', angular: 'linear' }],
    ['{}', { magnitude: 'tanh', angular: 'cosine' }],
  ])('takes a layer’s operator %s from the network’s, which may be the inner product', (own, operator) => {
    const given = minimal.replace('{ "magnitude": "ball" }', own);
    const second = (text: string) => parseConfig(text, input).network?.layers[2];
    expect(second(given)).toMatchObject({ operator });
    const inPlain = second(given.replace('"layers"', '"operator": "inner-product",\n  "layers"'));
    if (own === '{}') expect(inPlain).toMatchObject({ operator: undefined });
    else expect(inPlain).toMatchObject({ operator });
  });

  it('gets shapes, names and inherited operators', () => {
    const { network } = parseConfig(minimal, input);
    expect(network?.layers.map(({ name, outputShape }) => [name, outputShape])).toEqual([
      ['conv1', [28, 28, 16]],
      ['max-pool1', [14, 14, 16]],
      ['second', [14, 14, 32]],
      ['global-average-pool1', [32]],
      ['dense1', [10]],
    ]);
    expect(network?.layers[0]).toMatchObject({ operator: { magnitude: 'tanh', angular: 'cosine' } });
    expect(network?.layers[2]).toMatchObject({ operator: { magnitude: 'ball' } });
  });

  it('tells where its layers stand', () => {
    const { layerRanges } = parseConfig(minimal);
    expect(layerRanges.map(({ name, firstLine, lastLine }) => [name, firstLine, lastLine])).toEqual([
      ['conv1', 5, 5],
      ['max-pool1', 6, 6],
      ['second', 7, 7],
      ['global-average-pool1', 8, 8],
      ['dense1', 9, 9],
    ]);
  });
});

describe('a slip', () => {
  it.each([
    ['"filters": 16', '"fliters": 16', '"fliters"', '"filters"'],
    ['"magnitude": "ball"', '"magnitude": "bal"', '"bal"', '"ball"'],
    ['"magnitude": "ball"', '"magnitude": "Tanh"', '"Tanh"', '"tanh"'],
    ['"magnitude": "ball"', '"angular": "squareCosine"', '"squareCosine"', '"square-cosine"'],
    ['"type": "max-pool"', '"type": "maxpool"', '"maxpool"', '"max-pool"'],
    ['"dataset"', '"dataSet"', '"dataSet"', '"dataset"'],
  ])('%s written as %s is found and mended', (from, to, at, suggestion) => {
    expect(problemsAfter(from, to)).toContainEqual(expect.objectContaining({ text: at, suggestion }));
  });

  it('names line, column, field and what is allowed', () => {
    const [problem] = problemsAfter('"magnitude": "ball"', '"magnitude": "cube"');
    expect(problem).toMatchObject({ line: 7, field: 'layers[2].operator.magnitude', text: '"cube"' });
    expect(problem?.allowed).toEqual(['sphere', 'ball', 'tanh', 'linear', 'seg', 'log', 'mix']);
  });

  it.each([
    ['"filters": 16', '"filters": -1', 'layers[0].filters must be more than 0, not -1.'],
    ['"filters": 16', '"filters": 1.5', 'layers[0].filters must be a whole number, not 1.5.'],
    ['"filters": 16', '"filters": "many"', 'layers[0].filters must be a number, not "many".'],
    ['"filters": 16', '"stride": 1', 'layers[0].filters is missing.'],
    ['"data": { "dataset": "fashion-mnist-sample" },', '', 'data is missing.'],
    ['"dataset": "fashion-mnist-sample"', '', 'data.dataset is missing.'],
  ])('%s replaced by %s says: %s', (from, to, message) => {
    expect(problemsAfter(from, to).map((problem) => problem.message)).toContain(message);
  });

  it.each([
    ['', 'The file is empty.'],
    ['{ "data": ', 'Not valid JSON'],
    ['[]', 'must be an object'],
    ['['.repeat(200_000), 'nested too deeply'],
    [`"${'x'.repeat(2 ** 20)}"`, 'which no config has'],
  ])('%.20s… is refused with a sentence', (text, message) => {
    expect(parseConfig(text).problems[0]?.message).toContain(message);
  });
});

describe('a layer that cannot fit', () => {
  it.each([
    [
      '"filters": 16',
      '"filters": 16, "kernel": 29, "padding": "valid"',
      'conv1: a 29×29 window without padding does not fit into its 28×28 input.',
    ],
    ['"units": 10', '"units": 9', 'The last layer gives 9 scores, but the data has 10 classes.'],
    [
      '{ "type": "global-average-pool" },',
      '',
      'dense1: a dense layer needs a flat list of features, but what reaches it is a feature map.',
    ],
    [
      '{ "type": "max-pool" }',
      '{ "type": "flatten" }',
      'second: a conv layer needs a feature map, but what reaches it is a flat list of features.',
    ],
    ['"name": "second"', '"name": "conv1"', 'The name conv1 is taken by layer 1.'],
    [
      '{ "type": "dense", "units": 10 },',
      '',
      'The last layer is global-average-pool, but a network ends in one score for each class.',
    ],
  ])('%s replaced by %s says: %s', (from, to, message) => {
    const problems = problemsAfter(from, to).filter(({ severity }) => severity === 'error');
    expect(problems.map((problem) => problem.message)).toContain(message);
  });

  it('is refused when it would not fit in memory', () => {
    const [problem] = problemsAfter(
      '{ "type": "global-average-pool" },',
      '{ "type": "flatten" }, { "type": "dense", "units": 65536 },',
    );
    expect(problem?.message).toContain('more than fit in memory');
  });

  it('is not spoken of while the data is unknown', () => {
    expect(parseConfig(minimal.replace('"units": 10', '"units": 9')).problems).toEqual([]);
  });

  it('gets a warning, not an error, for a field without effect', () => {
    const problems = problemsAfter('"magnitude": "ball"', '"magnitude": "sphere", "rho": 2');
    expect(problems).toMatchObject([
      { severity: 'warning', message: 'rho has no effect here: sphere has no radius.', text: '2' },
    ]);
  });
});

describe('an operator of the whole config', () => {
  const problemsOf = (operator: object, ...operators: readonly unknown[]) => {
    const layers = [
      ...operators.map((own) => ({
        type: 'conv',
        filters: 2,
        ...(own === undefined ? {} : { operator: own }),
      })),
      { type: 'global-average-pool' },
      { type: 'dense', units: 10 },
    ];
    return parseConfig(JSON.stringify({ data: { idx: '.' }, operator, layers }), input).problems;
  };

  it('gets one warning for a field that no layer which takes it over has a use for', () => {
    expect(problemsOf({ magnitude: 'sphere', rho: 2 }, undefined, undefined)).toMatchObject([
      {
        ...{ severity: 'warning', field: 'operator.rho' },
        message: 'rho has no effect in any layer: sphere has no radius.',
        fixes: [{ title: 'Remove rho', preferred: true }],
      },
    ]);
    const several = problemsOf({ beta: 1, k: 0.5, exponent: 3, alpha: 2 }, undefined, {
      magnitude: 'log',
    }).map(({ message }) => message);
    expect(several).toEqual([
      'beta has no effect in any layer: tanh has no β, log has no β.',
      'exponent has no effect in any layer: cosine has no exponent.',
      'k has no effect in any layer: cosine has no k.',
    ]);
    // The one that could use it says its own.
    expect(problemsOf({ magnitude: 'log', rho: 2 }, undefined, { magnitude: 'ball', rho: 3 })).toHaveLength(
      1,
    );
  });

  it('gets none where a layer has a use for it, or none takes it over', () => {
    expect(problemsOf({ magnitude: 'sphere', rho: 2 }, undefined, { magnitude: 'ball' })).toEqual([]);
    expect(problemsOf({ magnitude: 'sphere', k: 0.5 }, { angular: 'sigmoid' })).toEqual([]);
    expect(problemsOf({ magnitude: 'sphere', rho: 2 }, 'inner-product')).toEqual([]);
  });
});

describe('input and length', () => {
  const withFields = (fields: string) => problemsAfter('// the data', `${fields},`);

  it('are as long as epochs or steps say', () => {
    const text = minimal.replace('// the data', '"steps": 42500,');
    expect(parseConfig(text, input)).toMatchObject({ problems: [], config: { steps: 42500 } });
    expect(parseConfig(text, input).config?.epochs).toBeUndefined();
    expect(withFields('"steps": 5, "epochs": 2')).toMatchObject([
      {
        field: 'steps',
        text: '5',
        fixes: [{ title: 'Remove "epochs"' }, { title: 'Remove "steps"' }],
      },
    ]);
  });

  it.each([
    ['"normalization": { "mean": [1, 2, 3] }', 'normalization.mean', /3 values.*1 channel\./],
    ['"normalization": { "scale": [1, 2] }', 'normalization.scale', /2 values.*1 channel\./],
    ['"augmentation": { "crop": [29, 28] }', 'augmentation.crop', /29×28 is larger than the 28×28/],
    ['"augmentation": { "crop": [24, 30] }', 'augmentation.crop', /24×30 is larger/],
    ['"augmentation": { "mirrorPad": 29 }', 'augmentation.mirrorPad', /wider than the 28×28/],
  ])('%s do not fit images of 28×28×1', (fields, field, message) => {
    expect(withFields(fields)).toMatchObject([{ field, message: expect.stringMatching(message) }]);
  });

  it('have a mean and a scale a channel', () => {
    const colour = { shape: [32, 32, 3] as const, classes: 10 };
    const read = (fields: string) =>
      parseConfig(minimal.replace('// the data', `"normalization": ${fields},`), colour).network
        ?.normalization;
    expect(read('{ "mean": [121.6, 116.6, 102.7], "scale": 1 }')).toEqual({
      mean: [121.6, 116.6, 102.7],
      scale: [1, 1, 1],
    });
    expect(read('{}')).toEqual({ mean: [127.5, 127.5, 127.5], scale: [128, 128, 128] });
  });
});

describe('output shapes', () => {
  it('are those of a sliding window', () => {
    const dimension = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 40 }),
        dimension,
        dimension,
        fc.constantFrom('same', 'valid'),
        (size, kernel, stride, padding) => {
          const text = JSON.stringify({
            data: { dataset: 'fashion-mnist-sample' },
            layers: [
              { type: 'conv', filters: 2, kernel, stride, padding },
              { type: 'flatten' },
              { type: 'dense', units: 3 },
            ],
          });
          const { network } = parseConfig(text, { shape: [size, size, 1], classes: 3 });
          const starts = Array.from({ length: size }, (_, i) => i).filter(
            (i) => i % stride === 0 && (padding === 'same' || i + kernel <= size),
          );
          expect(network?.layers[0]?.outputShape).toEqual([starts.length, starts.length, 2]);
        },
      ),
    );
  });
});

describe('requireConfig', () => {
  it('throws one error with everything in it', () => {
    const text = minimal.replace('"filters": 16', '"fliters": 16');
    try {
      requireConfig(text, 'net.dcnet.json');
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(DcnetError);
      expect((thrown as DcnetError).describe()).toMatch(
        /^net\.dcnet\.json:5:\d+: layers\[0\]\.(filters: layers\[0\]\.filters is missing|fliters: There is no field fliters here)/,
      );
    }
  });
});

describe('the JSON schema', () => {
  const validate = new Ajv({ strict: false }).compile(configJsonSchema());

  it('accepts what the parser accepts', () => {
    const { config } = parseConfig(minimal);
    expect(validate(JSON.parse(JSON.stringify(config)))).toBe(true);
  });

  it('refuses an unknown field', () => {
    expect(
      validate({ data: { dataset: 'fashion-mnist-sample' }, layers: [{ type: 'conv', fliters: 3 }] }),
    ).toBe(false);
  });
});
