import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type {
  BehaviourComparison,
  FilterTable,
  WeightComparison,
} from '../../../src/core/comparison/comparison.js';
import {
  behaviourComparisonSchema,
  weightComparisonSchema,
} from '../../../src/core/comparison/comparison.js';
import {
  encodeCheckpoint,
  readCheckpoint,
  type StoredTensor,
  writeCheckpoint,
} from '../../../src/engine/checkpoint/checkpoint.js';
import { dataOf, openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { imageTensor } from '../../../src/engine/data/images.js';
import { Engine } from '../../../src/engine/service.js';
import { temporaryFolder } from '../data/tinyData.js';
import { mediaDirectory, TinyProject } from '../training/support.js';

const quietly = () => ({ signal: new AbortController().signal, report: () => {} });

let project: TinyProject;
let engine: Engine;
let first: string;
let last: string;

beforeAll(async () => {
  project = await TinyProject.create('wasm', { test: 60 });
  const { runDirectory } = await project.train({}, { name: 'run' });
  [first, last] = [1, 3].map((epoch) =>
    path.join(runDirectory, 'checkpoints', `epoch-000${epoch}.dcnet.safetensors`),
  ) as [string, string];
  engine = new Engine({
    runtime: project.runtime,
    mediaDirectory,
    events: { runChanged: () => {}, runFinished: () => {}, log: () => {} },
  });
});

const weights = (a: string, b: string): Promise<WeightComparison> =>
  engine.compareWeights({ a: { file: a }, b: { file: b } }, quietly());
const behaviour = (a: string, b: string): Promise<BehaviourComparison> =>
  engine.compareBehaviour({ a: { file: a }, b: { file: b } }, quietly());

/** A checkpoint as it would be if its tensors were others. */
async function changed(
  file: string,
  change: (name: string, tensor: StoredTensor) => StoredTensor,
): Promise<string> {
  const { checkpoint, network, model } = await openCheckpoint(file);
  model.dispose();
  const tensors = new Map([...checkpoint.tensors].map(([name, tensor]) => [name, change(name, tensor)]));
  const to = path.join(await temporaryFolder(), 'changed.dcnet.safetensors');
  await writeCheckpoint(to, encodeCheckpoint(checkpoint.metadata, network, tensors));
  return to;
}

describe('weights', () => {
  it('are told apart as a float64 loop over the files does', async () => {
    const comparison = await weights(first, last);
    expect(weightComparisonSchema.parse(comparison)).toEqual(comparison);
    expect(comparison).toMatchObject({ onlyA: [], onlyB: [], config: [], noCommonData: undefined });
    expect(comparison.a).toMatchObject({ run: 'run', name: 'epoch-0001', epoch: 1, step: 4 });
    expect(comparison.layers.map(({ a, b, shapeA }) => [a, b, shapeA])).toEqual([
      ['conv1', 'conv1', [3, 3, 1, 4]],
      ['conv2', 'conv2', [3, 3, 4, 6]],
      ['dense1', 'dense1', [6, 4]],
    ]);
    const [a, b] = [await readCheckpoint(first), await readCheckpoint(last)];
    for (const layer of comparison.layers) {
      const { filters } = layer as { filters: FilterTable };
      const name = `${layer.a}/kernel`;
      const [x, y] = [a, b].map(({ tensors }) => Array.from(tensors.get(name)!.values)) as [
        number[],
        number[],
      ];
      const count = layer.shapeA.at(-1)!;
      expect(layer.reordered).toBe(0);
      for (let f = 0; f < count; f++) {
        let [xx, yy, xy] = [0, 0, 0];
        for (let i = f; i < x.length; i += count) {
          xx += x[i]! ** 2;
          yy += y[i]! ** 2;
          xy += x[i]! * y[i]!;
        }
        expect(filters.rescaling[f]).toBeCloseTo(Math.log(Math.sqrt(yy) / Math.sqrt(xx)), 5);
        expect(filters.rotation[f]).toBeCloseTo(
          (Math.acos(Math.min(1, xy / Math.sqrt(xx * yy))) * 180) / Math.PI,
          3,
        );
        expect(filters.normA[f]).toBeCloseTo(Math.sqrt(xx), 5);
      }
      const moved = x.reduce((sum, value, i) => sum + (y[i]! - value) ** 2, 0);
      expect(layer.movement).toBeCloseTo(Math.sqrt(moved / x.reduce((sum, value) => sum + value ** 2, 0)), 6);
    }
    const { filters } = comparison.layers[0]!;
    const root = b.tensors.get('conv1/rho_root')!.values;
    const mean = b.tensors.get('conv1/mean_patch_norm')!.values[0]!;
    for (let f = 0; f < 4; f++) {
      expect(filters!.rhoB![f]).toBeCloseTo(root[f]! ** 2 + 1e-4, 5);
      expect(filters!.radiusB![f]).toBeCloseTo((root[f]! ** 2 + 1e-4) * mean, 4);
      expect(filters!.kB![f]).toBeCloseTo(Math.abs(b.tensors.get('conv1/k_root')!.values[f]!) + 0.05, 5);
    }
    expect(comparison.layers[1]!.filters!.radiusA).toEqual(comparison.layers[1]!.filters!.rhoA);
    expect(comparison.layers[2]!.filters!.rhoA).toBeUndefined();
  });

  it('find filters that changed places, through the layers after them, and nothing else', async () => {
    // conv1's filters go to other places, with everything that belongs to them; some are stretched.
    const order = [2, 0, 3, 1];
    const stretch = [1, 2, 1, 0.5];
    const permuted = await changed(last, (name, { shape, values }) => {
      const next = values.slice();
      const [layer] = name.split('/');
      if (name === 'conv1/kernel')
        for (let r = 0; r < 9; r++)
          for (let f = 0; f < 4; f++) next[r * 4 + order[f]!] = values[r * 4 + f]! * stretch[f]!;
      else if (layer === 'conv1' && values.length === 4)
        for (let f = 0; f < 4; f++) next[order[f]!] = values[f]!;
      else if (name === 'conv2/kernel')
        for (let r = 0; r < 9; r++)
          for (let c = 0; c < 4; c++)
            for (let f = 0; f < 6; f++) next[(r * 4 + order[c]!) * 6 + f] = values[(r * 4 + c) * 6 + f]!;
      return { shape, values: next };
    });
    const { layers } = await weights(last, permuted);
    expect(layers[0]!.filters!.to).toEqual(order);
    expect(layers[0]!.reordered).toBe(4);
    expect(layers[0]!.filters!.rescaling.map((value) => Math.exp(value!))).toEqual(
      stretch.map((factor) => expect.closeTo(factor, 5)),
    );
    for (const { filters } of layers)
      for (const degrees of filters!.rotation) expect(degrees).toBeLessThan(1e-3);
    for (const { filters, reordered } of layers.slice(1)) {
      expect(reordered).toBe(0);
      for (const value of filters!.rescaling) expect(value).toBeCloseTo(0, 6);
    }
    // The decoupled operator leaves ‖w‖ out, so it is the same function (but for ε).
    const { flips, cka } = await behaviour(last, permuted);
    expect(flips).toMatchObject({ fixed: 0, broken: 0, bothWrongDifferently: 0, midP: 1 });
    for (let i = 0; i < 3; i++) expect(cka.values[i]![i]).toBeCloseTo(1, 3);
  });

  it('of another architecture say what has no counterpart', async () => {
    const { runDirectory, summary } = await project.train(
      {
        epochs: 1,
        layers: [
          { type: 'conv', filters: 6 },
          { type: 'conv', filters: 8, name: 'extra' },
          { type: 'conv', filters: 5, kernel: 1, name: 'narrow' },
          { type: 'global-average-pool' },
          { type: 'dense', units: 4 },
        ],
      },
      { name: 'other' },
    );
    const other = path.join(runDirectory, summary.checkpoint!);
    const comparison = await weights(last, other);
    expect(comparison.onlyA).toEqual([]);
    expect(comparison.onlyB).toEqual(['narrow']);
    const [conv1, extra, dense] = comparison.layers;
    expect(conv1).toMatchObject({ a: 'conv1', b: 'conv1', reordered: expect.any(Number) });
    expect(conv1!.filters!.from).toEqual([0, 1, 2, 3]);
    expect(conv1!.filters!.onlyB).toHaveLength(2);
    expect(extra).toMatchObject({
      a: 'conv2',
      b: 'extra',
      incomparable: 'a filter is 3 × 3 × 4 in A and 3 × 3 × 6 in B',
    });
    expect(dense).toMatchObject({ incomparable: 'a filter is 6 in A and 5 in B' });
    expect(comparison.config).toContainEqual({ field: 'layers.conv1.filters', a: '4', b: '6' });
    const { layers, cka } = await behaviour(last, other);
    expect(layers.map(({ a, b }) => [a, b])).toEqual([
      ['conv1', 'conv1'],
      ['conv2', 'extra'],
      ['dense1', 'dense1'],
    ]);
    expect(cka.values).toHaveLength(3);
    expect(cka.values[0]).toHaveLength(4);
  });

  it('stop when they are told to', async () => {
    const abort = new AbortController();
    abort.abort();
    const context = { signal: abort.signal, report: () => {} };
    const files = { a: { file: first }, b: { file: last } };
    const cancelled = { details: { code: 'cancelled' } };
    await expect(engine.compareWeights(files, context)).rejects.toMatchObject(cancelled);
    await expect(engine.compareBehaviour(files, context)).rejects.toMatchObject(cancelled);
  });
});

describe('behaviour', () => {
  it('is counted as image by image', async () => {
    const before = tf.memory().numTensors;
    const comparison = await behaviour(first, last);
    expect(tf.memory().numTensors).toBe(before);
    expect(behaviourComparisonSchema.parse(comparison)).toEqual(comparison);
    expect(comparison).toMatchObject({ data: 'data', split: 'test', sampleSize: 60, backend: 'wasm' });

    const predictions: number[][] = [];
    let labels: ArrayLike<number> = [];
    for (const [side, file] of [
      ['a', first],
      ['b', last],
    ] as const) {
      const { checkpoint, model } = await openCheckpoint(file);
      const data = await dataOf(checkpoint, mediaDirectory, new DataStore());
      const logits = tf.tidy(() =>
        model
          .predict(
            imageTensor(
              data.test.images,
              data.info.shape,
              Array.from({ length: 60 }, (_, i) => i),
              model.normalization,
            ),
          )
          .arraySync(),
      );
      labels = data.test.labels;
      predictions.push(logits.map((row) => row.indexOf(Math.max(...row))));
      const losses = logits.map(
        (row, i) => Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[labels[i]!]!,
      );
      expect(comparison[side].loss).toBeCloseTo(losses.reduce((sum, value) => sum + value, 0) / 60, 5);
      const right = predictions.at(-1)!.filter((label, i) => label === labels[i]).length;
      expect(comparison[side].accuracy).toBeCloseTo(right / 60, 12);
      model.dispose();
    }
    const [x, y] = predictions as [number[], number[]];
    const count = (which: (i: number) => boolean): number => x.filter((_, i) => which(i)).length;
    const { flips } = comparison;
    expect(flips.fixed).toBe(count((i) => x[i] !== labels[i] && y[i] === labels[i]));
    expect(flips.broken).toBe(count((i) => x[i] === labels[i] && y[i] !== labels[i]));
    expect(flips.bothRight).toBe(count((i) => x[i] === labels[i] && y[i] === labels[i]));
    expect(flips.bothWrongAlike).toBe(count((i) => x[i] !== labels[i] && y[i] === x[i]));
    expect(flips.bothWrongDifferently).toBe(
      count((i) => x[i] !== labels[i] && y[i] !== labels[i] && y[i] !== x[i]),
    );
    expect(flips.perClass.reduce((sum, { images }) => sum + images, 0)).toBe(60);
    for (const side of ['fixed', 'broken'] as const)
      expect(flips.perClass.reduce((sum, row) => sum + row[side], 0)).toBe(flips[side]);
  });

  it('has the inspections’ distributions, and their distances', async () => {
    const { layers } = await behaviour(first, last);
    const [a, b] = [
      await engine.inspect({ checkpoint: first, split: 'test' }, quietly()),
      await engine.inspect({ checkpoint: last, split: 'test' }, quietly()),
    ];
    for (const [i, layer] of layers.entries()) {
      expect(layer.norm.a).toEqual(a.layers[i]!.norm);
      expect(layer.angle.b).toEqual(b.layers[i]!.angle);
      // ∫ |F_A − F_B| by the midpoint rule, 20,000 steps.
      for (const { a: x, b: y, distance } of [layer.norm, layer.angle]) {
        const low = Math.min(x.histogram.edges[0]!, y.histogram.edges[0]!);
        const high = Math.max(x.histogram.edges.at(-1)!, y.histogram.edges.at(-1)!);
        const below = ({ edges, counts }: typeof x.histogram, at: number): number =>
          counts.reduce((sum, count, bin) => {
            const share = (at - edges[bin]!) / (edges[bin + 1]! - edges[bin]!);
            return sum + count * Math.min(1, Math.max(0, share));
          }, 0) / counts.reduce((sum, count) => sum + count, 0);
        const step = (high - low) / 20_000;
        let sum = 0;
        for (let at = low + step / 2; at < high; at += step)
          sum += Math.abs(below(x.histogram, at) - below(y.histogram, at)) * step;
        expect(Math.abs(distance! - sum)).toBeLessThan(1e-4 * Math.max(sum, 1e-6));
      }
    }
  });

  it('has the CKA of a float64 computation over the features', async () => {
    const { cka } = await behaviour(first, last);
    expect(cka).toMatchObject({ images: 60, layersA: ['conv1', 'conv2', 'dense1'] });
    const features: number[][][][] = [];
    for (const file of [first, last]) {
      const { checkpoint, model } = await openCheckpoint(file);
      const data = await dataOf(checkpoint, mediaDirectory, new DataStore());
      const outputs: number[][][] = [];
      tf.tidy(() => {
        const x = imageTensor(
          data.test.images,
          data.info.shape,
          Array.from({ length: 60 }, (_, i) => i),
          model.normalization,
        );
        model.walk(x, ({ type }, _, output) => {
          if (type === 'conv' || type === 'dense')
            outputs.push(tf.reshape(output, [60, -1]).arraySync() as number[][]);
        });
      });
      features.push(outputs);
      model.dispose();
    }
    // U-centring (Székely and Rizzo 2014): HSIC₁ is the mean product of U-centred distances or Gram matrices.
    const centred = (x: readonly number[][]): number[][] => {
      const n = x.length;
      const k = x.map((row, i) =>
        x.map((other, j) => (i === j ? 0 : row.reduce((sum, value, d) => sum + value * other[d]!, 0))),
      );
      const rows = k.map((row) => row.reduce((sum, value) => sum + value, 0));
      const all = rows.reduce((sum, value) => sum + value, 0);
      return k.map((row, i) =>
        row.map((value, j) =>
          i === j ? 0 : value - rows[i]! / (n - 2) - rows[j]! / (n - 2) + all / ((n - 1) * (n - 2)),
        ),
      );
    };
    const [a, b] = features.map((layers) => layers.map(centred)) as [number[][][], number[][][]];
    const product = (k: number[][], l: number[][]): number =>
      k.reduce((sum, row, i) => sum + row.reduce((part, value, j) => part + value * l[i]![j]!, 0), 0);
    for (const [i, k] of a.entries())
      for (const [j, l] of b.entries())
        expect(cka.values[i]![j]).toBeCloseTo(product(k, l) / Math.sqrt(product(k, k) * product(l, l)), 4);
  });

  it('is refused where there is no data for both', async () => {
    const others = await TinyProject.create('wasm', { classes: 3 });
    const { runDirectory, summary } = await others.train({
      epochs: 1,
      layers: [{ type: 'conv', filters: 4 }, { type: 'global-average-pool' }, { type: 'dense', units: 3 }],
    });
    const other = path.join(runDirectory, summary.checkpoint!);
    expect((await weights(last, other)).noCommonData).toBe(
      'A knows 4 classes and B 3, so there is no data to judge both by.',
    );
    await expect(behaviour(last, other)).rejects.toMatchObject({ details: { code: 'usage' } });
  });

  it('of a copy of an older version is measured on the data of its place', async () => {
    const copy = await changed(first, (_, tensor) => tensor);
    const standsFor = { file: last, name: 'epoch-0003 (HEAD)' };
    const files = { a: { file: copy, standsFor }, b: { file: last } };
    const named = await engine.compareWeights(files, quietly());
    expect(named.a).toMatchObject({ run: 'run', name: 'epoch-0003 (HEAD)', file: copy });
    const compared = await engine.compareBehaviour(files, quietly());
    const direct = await behaviour(first, last);
    expect(compared.flips).toEqual(direct.flips);
    expect(compared.layers).toEqual(direct.layers);
  });
});
