import fc from 'fast-check';
import { applyEdits } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import type { ConfigFix } from '../../src/core/config/fix.js';
import { type ConfigProblem, parseConfig } from '../../src/core/config/parse.js';
import { textEdits } from '../../src/core/config/textEdits.js';

const input = { shape: [28, 28, 1] as const, classes: 10 };

function apply(text: string, fix: ConfigFix): string {
  return applyEdits(text, [...textEdits(text, fix)]);
}

function problemsOf(text: string): readonly ConfigProblem[] {
  return parseConfig(text, input).problems;
}

/** Every fix of every problem of a config, with the text it makes. */
function mended(text: string): readonly { readonly title: string; readonly text: string }[] {
  return problemsOf(text).flatMap(({ fixes = [] }) =>
    fixes.map((fix) => ({ title: fix.title, text: apply(text, fix) })),
  );
}

const good = `{
  // the data
  "data": { "dataset": "fashion-mnist-sample" },
  "layers": [
    { "type": "conv", "filters": 16, "operator": { "magnitude": "ball" } }, // first
    { "type": "max-pool" }, // 28×28 → 14×14
    {
      "type": "conv",
      "name": "second", // a name
      "filters": 32,
      "batchNorm": true // normalise
    },
    { "type": "flatten" },
    { "type": "dense", "units": 10 } // scores
  ],
  "epochs": 3
}
`;

/** The good config after replacements of text. */
function withSlip(...slips: readonly (readonly [from: string, to: string])[]): string {
  return slips.reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  }, good);
}

describe('a fix', () => {
  it.each([undefined, 2])(
    'takes out a whole row of layers that flatten what is flat already (indent %s)',
    (indent) => {
      const flat = { type: 'global-average-pool' };
      const scores = { type: 'dense', units: 10 };
      for (const [layers, left] of [
        [
          [flat, flat, flat, scores],
          [flat, scores],
        ],
        [[flat, flat, { type: 'flatten' }, flat], [flat]],
      ]) {
        const text = JSON.stringify({ data: { dataset: 'fashion-mnist-sample' }, layers }, undefined, indent);
        const fix = mended(text).find(({ title }) => title.includes('flat already'));
        expect(fix?.title).toBe(
          `Remove these ${layers!.length - left!.length} layers: their input is flat already`,
        );
        // JSON.parse takes no comma too many.
        expect(JSON.parse(fix!.text)).toEqual({ data: { dataset: 'fashion-mnist-sample' }, layers: left });
      }
    },
  );

  it('keeps the comments of a row that it takes out', () => {
    const row = withSlip([
      '    { "type": "flatten" },\n',
      '    { "type": "flatten" },\n    { "type": "flatten" }, // one\n    { "type": "flatten" }, // two\n',
    ]);
    const [fix] = mended(row);
    expect(fix?.text).toMatch(/\/\/ one[\s\S]*\/\/ two/);
    expect(problemsOf(fix!.text)).toEqual([]);
  });

  it.each<[string, string, string, string]>([
    ['"type": "max-pool"', '"type": "maxpool"', 'Change to "max-pool"', '{ "type": "max-pool" }, // 28'],
    ['"filters": 32', '"fliters": 32', 'Change to "filters"', '"filters": 32,'],
    ['"filters": 16', '"filters": "16"', 'Change to 16', '"filters": 16, "op'],
    ['"filters": 16', '"filters": 15.2', 'Change to 16', '"filters": 16, "op'],
    ['"filters": 16', '"filters": -16', 'Change to 16', '"filters": 16, "op'],
    ['"filters": 16', '"filters": 9999', 'Change to 4096', '"filters": 4096, "op'],
    ['"batchNorm": true', '"batchNorm": "true"', 'Change to true', '"batchNorm": true // normalise'],
    ['"units": 10', '"units": 9', 'Set "units" to 10', '"units": 10 } // scores'],
    [
      '    { "type": "flatten" },\n',
      '',
      'Put flatten before it',
      '    },\n    { "type": "flatten" },\n    { "type": "dense", "units": 10 } // scores',
    ],
    [
      '{ "type": "flatten" },\n',
      '{ "type": "global-average-pool" },\n    { "type": "flatten" },\n',
      'Remove this flatten: its input is flat already',
      '    { "type": "global-average-pool" },\n    { "type": "dense", "units": 10 } // scores',
    ],
    [
      ',\n    { "type": "dense", "units": 10 } // scores',
      ' // end',
      'End with a dense layer of 10 units',
      '    { "type": "flatten" },\n    { "type": "dense", "units": 10 } // end',
    ],
    [
      '"magnitude": "ball"',
      '"magnitude": "sphere", "rho": 2',
      'Remove rho',
      '"operator": { "magnitude": "sphere" } }, // first',
    ],
    [
      '"filters": 16',
      '"filters": 16, "initialSlope": 0',
      'Remove initialSlope',
      '"filters": 16, "operator": { "magnitude": "ball" } }, // first',
    ],
    ['"name": "second"', '"name": "conv1"', 'Name it conv1-2', '"name": "conv1-2", // a name'],
    [
      '"filters": 16',
      '"filters": 16, "kernel": 29, "padding": "valid"',
      'Set "padding" to "same"',
      '"kernel": 29, "padding": "same",',
    ],
    ['"filters": 32,', '"filters": 32', 'Add the comma', '"filters": 32,\n'],
    [
      '  "data": { "dataset": "fashion-mnist-sample" },\n',
      '',
      'Use the sample of Fashion-MNIST that comes with DCNet',
      '"epochs": 3,\n  "data": { "dataset": "fashion-mnist-sample" }\n}',
    ],
  ])('of %s written as %s: %s', (from, to, title, expected) => {
    const fixed = mended(withSlip([from, to])).find((fix) => fix.title === title);
    expect(fixed?.text).toContain(expected);
    expect(problemsOf(fixed?.text ?? '')).toEqual([]);
  });

  it('moves what flattens too early, and keeps the rest as it is written', () => {
    const text = withSlip(
      ['{ "type": "max-pool" }', '{ "type": "flatten", "name": "flat" }'],
      ['    { "type": "flatten" },\n', ''],
    );
    expect(mended(text)).toEqual([
      {
        title: 'Move flatten to just before the dense layer',
        text: good
          .replace('    { "type": "max-pool" }, // 28×28', '    // 28×28')
          .replace('{ "type": "flatten" }', '{ "type": "flatten", "name": "flat" }'),
      },
    ]);
  });

  it('offers batch normalisation or cosine where the paper’s network did not converge', () => {
    const text = withSlip(
      ['"magnitude": "ball"', '"magnitude": "linear", "angular": "square-cosine"'],
      ['"filters": 16', '"filters": 16, "batchNorm": false'],
    );
    const fixes = mended(text);
    expect(fixes.map(({ title }) => title)).toEqual(['Set "batchNorm" to true', 'Set "angular" to "cosine"']);
    for (const fix of fixes) expect(problemsOf(fix.text)).toEqual([]);
  });

  it('puts an operator into a layer that has none', () => {
    const text = withSlip(
      ['"epochs": 3', '"operator": { "magnitude": "seg", "angular": "square-cosine" }'],
      ['"batchNorm": true', '"batchNorm": false'],
    );
    const cosine = mended(text).find(({ title }) => title.includes('cosine'));
    expect(cosine?.text).toContain(
      '      "batchNorm": false,\n      "operator": { "angular": "cosine" } // normalise\n    }',
    );
  });

  it('takes a field of its own line out with the line, and leaves comments', () => {
    const text = good.replace(
      '"operator": { "magnitude": "ball" }',
      '"operator": {\n "magnitude": "ball", // h\n "k": 2\n}',
    );
    expect(mended(text)[0]?.text).toContain('"operator": {\n "magnitude": "ball" // h\n}');
  });

  it('does not rename a field to one that is there', () => {
    const titles = mended(withSlip(['"filters": 16', '"filters": 16, "filter": 3'])).map(
      ({ title }) => title,
    );
    expect(titles).toEqual(['Remove "filter"']);
  });
});

describe('every fix that is offered', () => {
  const conv = fc.record(
    {
      type: fc.constant('conv'),
      fliters: fc.constant(3),
      filters: fc.integer({ min: 1, max: 6 }),
      kernel: fc.integer({ min: 1, max: 40 }),
      padding: fc.constantFrom('same', 'valid'),
      batchNorm: fc.boolean(),
      name: fc.constantFrom('a', 'b', 'conv2'),
      operator: fc.oneof(
        fc.constant('inner-product'),
        fc.record(
          {
            magnitude: fc.constantFrom(
              'sphere',
              'ball',
              'tanh',
              'linear',
              'seg',
              'log',
              'mix',
              'cube',
              'bal',
            ),
            angular: fc.constantFrom('linear', 'cosine', 'square-cosine', 'sigmoid', 'sigmoyd'),
            rho: fc.constantFrom(1, 2, -1, '2'),
            k: fc.constantFrom(0.3, 0.01, 200),
            beta: fc.constantFrom(0, -1, 3),
          },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: ['type', 'filters'] },
  );
  const other = fc.oneof(
    fc.record({ type: fc.constantFrom('max-pool', 'average-pool'), size: fc.integer({ min: 1, max: 31 }) }),
    fc.record({ type: fc.constantFrom('flatten', 'global-average-pool') }),
    fc.record({ type: fc.constant('dense'), units: fc.constantFrom(3, 10, 2.5, '10') }),
  );
  const config = fc.record(
    {
      data: fc.constant({ dataset: 'fashion-mnist-sample' }),
      layers: fc.array(fc.oneof(conv, other), { minLength: 1, maxLength: 7 }),
      epochs: fc.constantFrom(1, 0, 2.5, '3', 1e9),
      schedule: fc.constantFrom({ type: 'constant' }, { type: 'step', at: [5, 3, 3] }),
    },
    { requiredKeys: ['layers'] },
  );
  const layout = fc.constantFrom(undefined, 2, '\t');

  it('removes its problem, and keeps what else is wrong as it was', () => {
    let offered = 0;
    fc.assert(
      fc.property(config, layout, (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        const before = problemsOf(text);
        const key = ({ field, message }: ConfigProblem): string => `${field} ${message}`;
        for (const problem of before) {
          for (const fix of problem.fixes ?? []) {
            offered++;
            const after = problemsOf(apply(text, fix));
            expect(after.map(key), fix.title).not.toContain(key(problem));
            // What was hidden behind it may show, but never a config that is worse to read.
            expect(after.filter(({ message }) => message.startsWith('Not valid JSON'))).toEqual([]);
          }
        }
      }),
      { numRuns: 500 },
    );
    expect(offered).toBeGreaterThan(500);
  });

  it('comes to an end when they are taken one after the other', () => {
    fc.assert(
      fc.property(config, layout, (value, indent) => {
        let text = JSON.stringify(value, undefined, indent);
        for (let round = 0; round < 60; round++) {
          const fix = problemsOf(text).flatMap(({ fixes = [] }) => fixes)[0];
          if (fix === undefined) return;
          text = apply(text, fix);
        }
        expect.unreachable(`fixes without end: ${text}`);
      }),
      { numRuns: 300 },
    );
  });
});
