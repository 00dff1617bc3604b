import { describe, expect, it } from 'vitest';
import type { MetricsRecord } from '../../src/core/run/run.js';
import { areLogarithmic, axis, axisScale } from '../../webview/shared/chart/axis.js';
import { binAt, densityBins } from '../../webview/shared/chart/density.js';
import { heatmap } from '../../webview/shared/chart/heatmap.js';
import { count, duration, fileSafe, inColumn, percent, short } from '../../webview/shared/format.js';
import { toBands } from '../../webview/training/bands.js';
import { toSeries } from '../../webview/training/series.js';

describe('numbers for people', () => {
  it('keeps three significant digits', () => {
    expect([3.4159, 0.000512, 1.234e-7, 12_345, 0, -0.25].map(short)).toEqual([
      '3.42',
      '0.000512',
      '1.23e−7',
      '12,300',
      '0',
      '−0.25',
    ]);
    expect([1.1, 2, 0].map(inColumn)).toEqual(['1.10', '2.00', '0']);
    expect([Number.NaN, Number.POSITIVE_INFINITY].map(short)).toEqual(['not a number', '∞']);
  });

  it('never rounds a share to nothing or everything', () => {
    expect([0, 0.0001, 0.0415, 0.86, 0.99999, 1].map(percent)).toEqual([
      '0 %',
      '<0.1 %',
      '4.2 %',
      '86.0 %',
      '>99.9 %',
      '100 %',
    ]);
  });

  it('says times, counts and file names', () => {
    expect([8.4, 74, 3900].map(duration)).toEqual(['8 s', '1 min 14 s', '1 h 5 min']);
    expect(count(312_448)).toBe('312,448');
    expect(fileSafe('my run/ä: 2')).toBe('my-run-ä-2');
  });
});

describe('axes', () => {
  it('tells logarithmic edges from linear ones', () => {
    expect(areLogarithmic([0.1, 1, 10, 100])).toBe(true);
    expect(areLogarithmic([0, 1, 2, 3])).toBe(false);
    expect(areLogarithmic([1, 2, 3, 4])).toBe(false);
    // A short range far from 0, where both are nearly the same.
    expect(areLogarithmic(Array.from({ length: 49 }, (_, i) => 24 + 0.27 * i))).toBe(false);
    expect(areLogarithmic(Array.from({ length: 49 }, (_, i) => 24 * 1.009 ** i))).toBe(true);
  });

  it('leaves out labels that would touch', () => {
    const scale = axisScale([0, 10_000], [0, 100]);
    const labels = axis({
      key: 'a',
      at: 'bottom',
      edge: 0,
      scale,
      ticks: [0, 1000, 2000, 5000, 10_000],
    }).filter(({ tag }) => tag === 'text');
    expect(labels.map(({ text }) => text)).toEqual(['0', '5,000']);
  });
});

describe('densities', () => {
  it('are true in area when bins differ in width', () => {
    const bins = densityBins({ edges: [0, 1, 3], counts: [10, 10] }, (value) => value * 50);
    expect(bins.map(({ height }) => height)).toEqual([1, 0.5]);
    expect(bins.map(({ share }) => share)).toEqual([0.5, 0.5]);
  });

  it('cut a bin that stands far above the others, and say so', () => {
    const counts = [8, 9, 10, 10, 9, 8, 10, 9, 8, 10, 900];
    const edges = counts.map((_, i) => i).concat(counts.length);
    const bins = densityBins({ edges, counts }, (value) => value);
    expect(bins.filter(({ cut }) => cut).map(({ count: value }) => value)).toEqual([900]);
    expect(bins.at(-1)).toMatchObject({ height: 1, share: 900 / 991 });
    // The others keep their proportions: at most half of the height is theirs.
    expect(bins.slice(0, 3).map(({ height }) => height)).toEqual(
      [0.4, 0.45, 0.5].map((height) => expect.closeTo(height, 12)),
    );
  });

  it('stay flat without any counts', () => {
    expect(densityBins({ edges: [0, 1], counts: [0] }, (value) => value)[0]).toMatchObject({
      height: 0,
      share: 0,
    });
    expect(heatmap('joint', [0, 1], [0, 1], [0])).toEqual([]);
  });

  it('find the bin of a value', () => {
    const edges = [0, 1, 2, 4];
    expect([-1, 0, 0.99, 1, 3.5, 4, 9].map((value) => binAt(edges, value))).toEqual([0, 0, 0, 1, 2, 2, 2]);
  });

  it('put a cell into the column and row of its counts', () => {
    const marks = heatmap('joint', [0, 10, 20], [40, 20, 0], [0, 0, 0, 4]);
    expect(marks.filter(({ attributes }) => attributes.d !== '').map(({ attributes }) => attributes)).toEqual(
      [{ d: 'M10.00 20.00H20.00V0.00H10.00Z', 'fill-opacity': 1 }],
    );
  });
});

describe('series of a resumed run', () => {
  const step = (at: number, loss: number): MetricsRecord => ({
    type: 'step',
    step: at,
    epoch: 1,
    loss,
    accuracy: 0.5,
    learningRate: 0.1,
    imagesPerSecond: 100,
    seconds: 1,
  });

  it('take the later of two records of one step', () => {
    const { steps } = toSeries([step(1, 3), step(2, 2), step(3, 9), step(2, 1.5)]);
    expect(steps.map(({ step: at, loss }) => [at, loss])).toEqual([
      [1, 3],
      [2, 1.5],
      [3, 9],
    ]);
  });
});

describe('the learning rate’s axis', () => {
  const bandOf = (rates: readonly number[]) => {
    const records = rates.map(
      (learningRate, i): MetricsRecord => ({
        type: 'step',
        step: i + 1,
        epoch: 1,
        loss: 1,
        accuracy: 0.5,
        learningRate,
        imagesPerSecond: 100,
        seconds: 1,
      }),
    );
    return toBands(toSeries(records), undefined).find(({ key }) => key === 'learning-rate')!;
  };

  it('is logarithmic, and says so, for steps by large factors', () => {
    const band = bandOf([0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001]);
    expect(band).toMatchObject({
      logarithmic: true,
      title: 'learning rate (log scale)',
      domain: [0.001, 0.1],
    });
  });

  it('is linear for a cosine that ends near 0', () => {
    const rates = Array.from({ length: 100 }, (_, i) => 0.05 * (1 + Math.cos((Math.PI * (i + 0.9)) / 100)));
    expect(bandOf(rates)).toMatchObject({ logarithmic: false, title: 'learning rate' });
  });
});
