import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/core/config/parse.js';
import {
  type Cell,
  configSeed,
  type Experiment,
  experimentNames,
  runsOf,
} from '../../src/core/reproduce/experiment.js';
import { featureSpread } from '../../src/core/reproduce/features.js';
import { featureTable, featureValues } from '../../src/core/reproduce/featureTable.js';
import { figure3Table, spreadColumns } from '../../src/core/reproduce/figures.js';
import { judgeConvergence, judgeGain, judgeLower, judgeRows } from '../../src/core/reproduce/judge.js';
import { type ReportContent, reportMarkdown } from '../../src/core/reproduce/markdown.js';
import { featurePicture } from '../../src/core/reproduce/pictures.js';
import { dataKindOf, planExperiment } from '../../src/core/reproduce/plan.js';
import { chooseCells, hasConverged, spreadOf, valuesOf } from '../../src/core/reproduce/results.js';
import { fewestSteps } from '../../src/core/reproduce/settings.js';

const plan = (name: Experiment['name'], scale: Experiment['scale'] = 'small'): Experiment =>
  planExperiment(name, scale, { kind: dataKindOf(name, scale) ?? 'mnist', folder: '/data' });

describe('the plan of a reproduction', () => {
  it.each(experimentNames)(
    '%s: every cell has its run, row and column, and every run its own name',
    (name) => {
      for (const scale of ['small', 'full'] as const) {
        const { runs, cells, rows, columns } = plan(name, scale);
        expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
        for (const cell of cells) {
          expect(rows).toContain(cell.row);
          expect(columns).toContain(cell.column);
          expect(runs.map(({ id }) => id)).toContain(cell.run);
        }
        for (const { id } of runs) expect(id).toMatch(/^[a-z0-9-]+$/);
      }
    },
  );

  it('has as many cells as the paper’s tables have numbers', () => {
    const printed = (name: Experiment['name']) =>
      plan(name).cells.filter(({ paper }) => paper !== undefined).length;
    // Reference, section 3: six optimisations; 1 + 3·3; 2 + 7·4; eight networks with clean, FGSM and BIM.
    expect(
      ['table1', 'table2', 'table3', 'table7', 'table8'].map((name) => printed(name as 'table1')),
    ).toEqual([6, 10, 30, 24, 24]);
  });

  it.each(experimentNames)('%s: every config is valid for its data, without a warning', (name) => {
    for (const scale of ['small', 'full'] as const)
      for (const steps of [undefined, fewestSteps]) {
        const { runs, data } = planExperiment(
          name,
          scale,
          {
            kind: dataKindOf(name, scale) ?? 'mnist',
            folder: '/data',
          },
          steps,
        );
        const input = {
          shape: data?.startsWith('cifar') ? ([32, 32, 3] as const) : ([28, 28, 1] as const),
          classes: data === 'cifar100' ? 100 : 10,
        };
        // That cells of table 2 do not converge is what the table shows.
        const problems = runs
          .flatMap(({ config }) => parseConfig(JSON.stringify(config), input).problems)
          .filter(({ message }) => !message.includes('did not converge in the paper (table 2)'));
        expect(problems).toEqual([]);
      }
  });

  it('has a setting of its own for every run, but for the source of the black box: that has a seed of its own', () => {
    for (const name of experimentNames) {
      const made = plan(name).runs.map((run) => JSON.stringify({ ...run.config, seed: configSeed(run, 1) }));
      expect(new Set(made).size).toBe(made.length);
    }
    const { runs } = plan('table8');
    const [plain, source] = ['plain', 'source'].map((id) => runs.find((run) => run.id === id)!);
    expect(source!.config).toEqual(plain!.config);
  });

  it('names the classes of Fashion-MNIST, whose folder may not', () => {
    const names = [
      ...['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat'],
      ...['Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
    ];
    for (const name of ['table1', 'table7', 'figure1'] as const)
      for (const { config } of plan(name).runs)
        expect(config.data).toEqual({ idx: '/data', classNames: names });
  });

  it('takes Adam as TensorFlow 1 has it at the full scale', () => {
    for (const name of ['table1', 'table2', 'table3', 'table7'] as const)
      for (const { config } of plan(name, 'full').runs)
        expect(config.optimizer).toEqual({
          ...{ type: 'adam', learningRate: 0.001 },
          ...{ epsilon: 1e-8, epsilonOn: 'raw' },
        });
  });

  it('lists steps that are not the scale’s as a deviation', () => {
    const short = planExperiment('table2', 'small', { kind: 'fashion-mnist', folder: '/data' }, 20);
    expect(short.deviations[0]).toContain('20 steps');
    expect(short.runs[0]!.config).toMatchObject({ steps: 20, schedule: { at: [9, 14, 18] } });
  });

  it('trains what two tables share once: same folder, names and configs', () => {
    const [white, black] = [plan('table7'), plan('table8')];
    expect(black.folder).toBe(white.folder);
    for (const run of white.runs) expect(black.runs).toContainEqual(run);
  });

  it('chooses cells by row, column or run, and trains the source of an attack with them', () => {
    const table3 = plan('table3');
    expect(chooseCells(table3, []).length).toBe(30);
    expect(chooseCells(table3, ['tanhconv']).length).toBe(4);
    expect(chooseCells(table3, ['*no ReLU']).length).toBe(15);
    expect(chooseCells(table3, ['plain-relu']).map(({ column }) => column)).toEqual(['cosine + ReLU']);
    expect(chooseCells(table3, ['.*'])).toEqual([]);
    const table8 = plan('table8');
    expect(runsOf(table8, chooseCells(table8, ['sphere'])).map(({ id }) => id)).toEqual(['sphere', 'source']);
  });
});

describe('the paper’s numbers', () => {
  /** Reference, section 3. Rows by column; tables 7 and 8 have a second row of each network, trained against FGSM. */
  const columnsOf = {
    table1: ['error'],
    table2: ['linear', 'cosine', 'square cosine'],
    table3: ['cosine, no ReLU', 'square cosine, no ReLU', 'cosine + ReLU', 'square cosine + ReLU'],
    table7: ['clean', 'FGSM', 'BIM'],
    table8: ['clean', 'FGSM', 'BIM'],
  } as const;
  type Row = readonly (number | 'n/c' | undefined)[];
  const none = undefined;
  const rowsOf: Readonly<Record<keyof typeof columnsOf, Readonly<Record<string, Row>>>> = {
    table1: {
      'linearly weighted': [22.95],
      'non-linearly weighted, eq. 15': [23.03],
      'non-linearly weighted, eq. 16': [23.38],
      'standard gradients': [23.09],
      'weight projection': [21.17],
      'weighted gradients': [21.45],
    },
    table2: {
      'plain convolution': [none, 35.3, none],
      LinearConv: [33.39, 31.76, 'n/c'],
      TanhConv: [32.88, 31.88, 34.26],
      SegConv: [34.69, 30.34, 'n/c'],
    },
    table3: {
      'plain convolution': [58.24, none, 26.01, none],
      SphereConv: [33.31, 25.9, 26.0, 26.97],
      BallConv: [31.81, 25.43, 25.18, 26.48],
      TanhConv: [32.27, 25.27, 25.15, 26.94],
      LinearConv: [36.49, 24.36, 24.81, 25.14],
      SegConv: [33.57, 24.29, 24.96, 25.04],
      LogConv: [33.62, 24.91, 25.17, 25.85],
      MixConv: [33.46, 24.93, 25.27, 25.77],
    },
    table7: {
      'plain convolution': [85.35, 18.82, 8.67],
      SphereConv: [88.58, 43.64, 8.89],
      BallConv: [91.13, 50.47, 7.74],
      TanhConv: [91.45, 52.6, 10.18],
      'plain convolution, adversarially trained': [83.7, 78.96, 7.96],
      'SphereConv, adversarially trained': [87.41, 85.98, 35.07],
      'BallConv, adversarially trained': [87.47, 82.2, 17.38],
      'TanhConv, adversarially trained': [87.54, 81.46, 19.86],
    },
    table8: {
      'plain convolution': [85.35, 50.9, 36.22],
      SphereConv: [88.58, 56.71, 43.1],
      BallConv: [91.13, 49.5, 27.48],
      TanhConv: [91.45, 50.61, 29.06],
      'plain convolution, adversarially trained': [83.7, 77.57, 78.55],
      'SphereConv, adversarially trained': [87.41, 76.29, 77.79],
      'BallConv, adversarially trained': [87.47, 78.67, 80.59],
      'TanhConv, adversarially trained': [87.54, 80.38, 82.47],
    },
  };
  const tables = Object.keys(columnsOf) as (keyof typeof columnsOf)[];

  it.each(tables)('of %s stand in its cells', (name) => {
    for (const scale of ['small', 'full'] as const) {
      const ours = plan(name, scale).cells.filter(({ paper }) => paper !== undefined);
      const theirs = Object.entries(rowsOf[name]).flatMap(([row, numbers]) =>
        numbers.flatMap((paper, i) =>
          paper === undefined ? [] : [{ row, column: columnsOf[name][i]!, paper }],
        ),
      );
      expect(ours.map(({ row, column, paper }) => ({ row, column, paper }))).toEqual(theirs);
    }
  });

  it.each(tables)('of %s bear out each of its claims', (name) => {
    const { claims } = plan(name);
    expect(claims.length).toBeGreaterThan(0);
    const columns: readonly string[] = columnsOf[name];
    for (const { text, judge } of claims)
      expect([text, judge((row, column) => rowsOf[name][row]?.[columns.indexOf(column)])?.holds]).toEqual([
        text,
        true,
      ]);
  });
});

describe('results', () => {
  const cell: Cell = {
    row: 'r',
    column: 'c',
    paper: 25,
    run: 'x',
    measure: { kind: 'test-error' },
  };

  it('takes mean and deviation over the seeds that converged', () => {
    // By hand: mean 4, squares 4 + 0 + 4 over 2.
    expect(
      spreadOf([
        { seed: 1, value: 2 },
        { seed: 2, value: 4 },
        { seed: 3, value: 6 },
        { seed: 4, value: 'n/c' },
      ]),
    ).toEqual({ seeds: 4, mean: 4, deviation: 2, notConverged: 1, failed: 0 });
    expect(spreadOf([{ seed: 1, value: 7 }])).toMatchObject({ mean: 7, deviation: undefined });
    expect(
      spreadOf([
        { seed: 1, value: 'n/c' },
        { seed: 2, value: 'n/c' },
        { seed: 3, value: 9 },
      ])?.mean,
    ).toBe('n/c');
    expect(spreadOf([])).toBeUndefined();
    // A failure is neither a number nor a divergence.
    const failed = { seed: 2, value: 'failed' } as const;
    expect(spreadOf([{ seed: 1, value: 7 }, failed])).toMatchObject({ seeds: 2, mean: 7, failed: 1 });
    expect(spreadOf([{ seed: 1, value: 'n/c' }, failed])).toMatchObject({ mean: 'n/c', failed: 1 });
    expect(spreadOf([failed])).toEqual({
      seeds: 1,
      mean: undefined,
      deviation: undefined,
      notConverged: 0,
      failed: 1,
    });
  });

  it('calls a training converged from twice the accuracy of guessing', () => {
    expect(hasConverged(0.2, 'fashion-mnist')).toBe(true);
    expect(hasConverged(0.19, 'fashion-mnist')).toBe(false);
    expect(hasConverged(0.02, 'cifar100')).toBe(true);
  });

  it('judges, and leaves open what was not run', () => {
    const values = valuesOf([
      { cell, values: [{ seed: 1, value: 20 }] },
      { cell: { ...cell, column: 'd' }, values: [{ seed: 1, value: 30 }] },
      { cell: { ...cell, column: 'e' }, values: [{ seed: 1, value: 'n/c' }] },
    ]);
    const at = (column: string) => [{ row: 'r', column }];
    expect(judgeLower(values, at('c'), at('d'))).toEqual({ holds: true, evidence: '20.00 against 30.00' });
    expect(judgeLower(values, at('d'), at('c'))?.holds).toBe(false);
    expect(judgeLower(values, at('d'), at('e'))?.holds).toBe(true);
    expect(judgeLower(values, at('c'), at('unknown'))).toBeUndefined();
    expect(judgeRows(values, ['r'], 'c', 'd')?.holds).toBe(true);
    expect(judgeRows(values, ['r'], 'e', 'd')).toEqual({
      holds: false,
      evidence: 'not so: r n/c against 30.00',
    });
    const expected = [
      { row: 'r', column: 'c', converges: true },
      { row: 'r', column: 'e', converges: false },
    ];
    expect(judgeConvergence(values, expected)?.holds).toBe(true);
    expect(judgeConvergence(values, [{ ...expected[0]!, converges: false }])).toEqual({
      holds: false,
      evidence: 'every cell converged; otherwise than in the paper: r · c 20.00',
    });
  });

  it('judges where a number falls most', () => {
    const table: Record<string, readonly [number | 'n/c', number | 'n/c']> = {
      plain: [50, 20],
      a: [40, 15],
      b: [30, 10],
      worse: [20, 21],
      worst: [20, 25],
      lost: ['n/c', 20],
      steeper: [70, 30],
    };
    const values = (row: string, column: string) => table[row]?.[column === 'from' ? 0 : 1];
    const judged = (most: string, others: readonly string[]) => judgeGain(values, most, others, 'from', 'to');
    expect(judged('plain', ['a', 'b'])).toEqual({
      holds: true,
      evidence: '30.00 points in plain against 20.00 to 25.00',
    });
    expect(judged('plain', ['a', 'steeper'])?.holds).toBe(false);
    expect(judged('plain', ['a', 'unknown'])).toBeUndefined();
    expect(judged('plain', ['steeper', 'lost'])).toEqual({
      holds: false,
      evidence: '30.00 points in plain against 40.00 (of the cells that have a number)',
    });
    expect(judged('unknown', ['a'])).toBeUndefined();
    // The least loss is no gain.
    expect(judged('worse', ['worst'])?.holds).toBe(false);
  });

  it('says that a claim does not hold as soon as a cell contradicts it', () => {
    const values = valuesOf([
      { cell, values: [{ seed: 1, value: 20 }] },
      { cell: { ...cell, column: 'd' }, values: [{ seed: 1, value: 30 }] },
    ]);
    const [c, d, missing] = ['c', 'd', 'unknown'].map((column) => ({ row: 'r', column }));
    const soFar = '(of the cells that have a number)';
    expect(judgeLower(values, [c!, missing!], [d!])).toBeUndefined();
    expect(judgeLower(values, [d!, missing!], [c!])).toEqual({
      holds: false,
      evidence: `30.00 against 20.00 ${soFar}`,
    });
    expect(judgeLower(values, [c!], [missing!])).toBeUndefined();
    expect(judgeRows(values, ['r', 'other'], 'c', 'd')).toBeUndefined();
    expect(judgeRows(values, ['r', 'other'], 'd', 'c')).toEqual({
      holds: false,
      evidence: `not so: r 30.00 against 20.00 ${soFar}`,
    });
    expect(
      judgeConvergence(
        values,
        [c!, missing!].map((place) => ({ ...place, converges: true })),
      ),
    ).toBeUndefined();
    expect(
      judgeConvergence(
        values,
        [c!, missing!].map((place) => ({ ...place, converges: false })),
      ),
    ).toEqual({
      holds: false,
      evidence: `every cell converged; otherwise than in the paper: r · c 20.00 ${soFar}`,
    });
  });
});

describe('the report', () => {
  const experiment = plan('table2');
  const content: ReportContent = {
    experiment,
    results: [
      {
        cell: experiment.cells.find(({ run }) => run === 'tanh-cosine')!,
        values: [
          { seed: 1, value: 30.88 },
          { seed: 2, value: 32.88 },
        ],
      },
    ],
    runs: [
      { name: 'tanh-cosine-seed1', status: 'completed', steps: 1500, seconds: 61.4, backend: 'wasm on x' },
    ],
    seeds: [1, 2],
    data: 'fashion-mnist',
    machine: 'a machine',
    version: '1',
    date: '2026-01-01',
    pictures: [],
    pictured: [],
    picturedValues: () => undefined,
    warnings: [],
    interrupted: false,
  };

  it('gives our mean, its spread, the paper’s number and the difference; what was not run is said to be so', () => {
    const markdown = reportMarkdown(content);
    expect(markdown).toContain(
      '| TanhConv | not run (paper 32.88) | **31.88** ± 1.41 (paper 31.88, +0.00) |',
    );
    expect(markdown).toContain('| plain convolution | – | not run (paper 35.30) | – |');
    expect(markdown).toContain('- **Open.** LinearConv and SegConv with square cosine do not converge');
    expect(markdown).toContain('| `runs/tanh-cosine-seed1` | completed | 1,500 | 61 | wasm on x |');
    for (const deviation of experiment.deviations) expect(markdown).toContain(`- ${deviation}`);
    expect(markdown).not.toContain('Warnings');
    expect(markdown).not.toContain('Stopped');
  });

  it('says what failed, and leaves open what was judged by it', () => {
    const [result] = content.results;
    const markdown = reportMarkdown({
      ...content,
      results: [
        { cell: result!.cell, values: [result!.values[0]!, { seed: 2, value: 'failed' }] },
        {
          cell: experiment.cells.find(({ run }) => run === 'plain')!,
          values: [
            { seed: 1, value: 'failed' },
            { seed: 2, value: 'failed' },
          ],
        },
      ],
      warnings: ['it broke'],
      interrupted: true,
    });
    expect(markdown).toContain('**30.88**, 1 of 2 failed (paper 31.88, −1.00)');
    expect(markdown).toContain('| plain convolution | – | **failed** (paper 35.30) | – |');
    expect(markdown).toContain('## Warnings\n\n- it broke');
    expect(markdown).toContain('**Stopped before the end.**');
    expect(markdown).toContain(
      '- **Open.** With the cosine, each decoupled operator is better than the plain convolution. Not all of its cells have a number.',
    );
  });
});

describe('figures', () => {
  it('has the numbers of figure 3 as they are in the paper', () => {
    for (const [, ours, printed] of figure3Table().slice(1))
      if (printed !== '–') expect(Number(ours)).toBeCloseTo(Number(printed), 3);
  });

  it('tells a ring of clusters from petals', () => {
    const turned = (degrees: number, norm: number): [number, number] => [
      norm * Math.cos((degrees * Math.PI) / 180),
      norm * Math.sin((degrees * Math.PI) / 180),
    ];
    const of = (points: readonly [number, number][], labels: readonly number[]) => ({
      classNames: ['a', 'b'],
      labels,
      x: points.map(([x]) => x),
      y: points.map(([, y]) => y),
    });
    const ring = featureSpread(of([turned(0, 2), turned(0, 2), turned(90, 2), turned(90, 2)], [0, 0, 1, 1]));
    expect(ring.norm).toBeCloseTo(0);
    expect(ring.angleWithin).toBeCloseTo(0);
    // Norms 1 and 3: deviation 1 over mean 2. Directions ±60° about each class’s own: mean length cos 60°.
    const petals = featureSpread(
      of([turned(-60, 1), turned(60, 3), turned(120, 1), turned(240, 3)], [0, 0, 1, 1]),
    );
    expect(petals.norm).toBeCloseTo(0.5);
    expect(petals.normWithin).toBeCloseTo(0.5);
    expect(petals.angleWithin).toBeCloseTo((Math.sqrt(-2 * Math.log(0.5)) * 180) / Math.PI);
  });

  it('gives the numbers of every seed, and their mean and deviation', () => {
    const of = (row: string, seed: number, norm: number) => ({
      ...{ row, seed },
      spread: { norm, normWithin: 10 * norm, angleWithin: 100 * norm },
    });
    // By hand: mean 0.3; squares 0.01 + 0.01 over 1, so 0.1414.
    const measured = [of('a', 1, 0.2), of('a', 2, 0.4), of('b', 2, 0.5)];
    const columns = spreadColumns.map(([, column]) => column);
    expect(featureTable(measured)).toEqual([
      ['', ...columns],
      ['a, seed 1', '0.200', '2.000', '20.0'],
      ['a, seed 2', '0.400', '4.000', '40.0'],
      ['a, mean ± deviation', '0.300 ± 0.141', '3.000 ± 1.414', '30.0 ± 14.1'],
      ['b, seed 2', '0.500', '5.000', '50.0'],
    ]);
    const values = featureValues(measured);
    expect(values('a', columns[0]!)).toBeCloseTo(0.3, 12);
    expect(values('b', columns[2]!)).toBe(50);
    expect(values('b', 'test accuracy')).toBeUndefined();
    expect(featureTable(measured.slice(0, 1))).toEqual([
      ['seed 1', ...columns],
      ['a', '0.200', '2.000', '20.0'],
    ]);
  });

  it('judges ring, petals and clusters by the spreads, as soon as all are measured', () => {
    const { claims } = plan('figure1');
    const columns = spreadColumns.map(([, column]) => column);
    const spreads: Record<string, readonly number[]> = {
      'plain convolution': [0.5, 0.4, 9],
      SphereConv: [0.1, 0.05, 12],
      BallConv: [0.2, 0.41, 17.9],
      TanhConv: [0.3, 0.1, 4],
    };
    const judged = (of: typeof spreads) =>
      claims.map(({ judge }) => judge((row, column) => of[row]?.[columns.indexOf(column)]));
    expect(judged(spreads)).toMatchObject([
      { holds: true, evidence: '0.10 to 0.30 against 0.50' },
      { holds: false, evidence: '0.05 to 0.41 against 0.40' },
      // Ten classes lie 36° apart: from 18° on they run into each other.
      { holds: true, evidence: '4.00 to 17.90 against 18.00' },
    ]);
    expect(judged({ ...spreads, TanhConv: [0.3, 0.1, 18.1] })[2]).toMatchObject({ holds: false });
    const { BallConv: _, ...three } = spreads;
    expect(judged(three)).toEqual([undefined, undefined, undefined]);
    expect(judged({})).toEqual([undefined, undefined, undefined]);
  });

  it('writes class names as text, whatever they hold', () => {
    const svg = featurePicture([
      { title: '<script>', features: { classNames: ['a&b', '"'], labels: [0], x: [1], y: [0] } },
    ]);
    expect(svg).not.toContain('<script>');
    expect(svg).not.toMatch(/&(?!#\d+;)/);
  });
});
