import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { quantile } from '../../../src/core/statistics/histogram.js';
import type { Distribution, Inspection, LayerInspection } from '../../../src/core/statistics/inspection.js';
import { inspectionSchema } from '../../../src/core/statistics/inspection.js';
import { restrictInspection } from '../../../src/core/statistics/splits.js';
import { dataOf, openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { degreeBin, degreesOf } from '../../../src/engine/inspection/angles.js';
import { inspectModel } from '../../../src/engine/inspection/inspect.js';
import type { DcnetModel } from '../../../src/engine/model/model.js';
import { testBackend } from '../backends.js';
import { mediaDirectory, TinyProject } from '../training/support.js';

/** Float64 norms and cosines of one layer, patch by patch, the slow and plain way. */
interface Naive {
  readonly norms: number[];
  /** [patch][filter]. */
  readonly cosines: number[][];
}

/** 'same' as TensorFlow pads: as evenly as can be, the odd row after. */
function naiveConv(
  x: number[][][][],
  kernel: number[][][][],
  stride: number,
  padding: 'same' | 'valid',
): Naive {
  const [height, width] = [x[0]!.length, x[0]![0]!.length];
  const size = kernel.length;
  const out = (side: number): number =>
    padding === 'same' ? Math.ceil(side / stride) : Math.ceil((side - size + 1) / stride);
  const before = (side: number): number =>
    padding === 'same' ? Math.floor(Math.max(0, (out(side) - 1) * stride + size - side) / 2) : 0;
  const filters = kernel[0]![0]![0]!.length;
  const weightNorms = Array.from({ length: filters }, (_, f) =>
    Math.sqrt(kernel.flat(2).reduce((sum, channel) => sum + channel[f]! ** 2, 0)),
  );
  const norms: number[] = [];
  const cosines: number[][] = [];
  for (const image of x)
    for (let row = 0; row < out(height); row++)
      for (let column = 0; column < out(width); column++) {
        let square = 0;
        const dots = new Array<number>(filters).fill(0);
        for (let i = 0; i < size; i++)
          for (let j = 0; j < size; j++) {
            const pixel = image[row * stride + i - before(height)]?.[column * stride + j - before(width)];
            for (const [c, value] of (pixel ?? []).entries()) {
              square += value ** 2;
              for (let f = 0; f < filters; f++) dots[f]! += value * kernel[i]![j]![c]![f]!;
            }
          }
        norms.push(Math.sqrt(square));
        cosines.push(dots.map((dot, f) => dot / Math.sqrt(square) / weightNorms[f]!));
      }
  return { norms, cosines };
}

function naiveDense(x: number[][], kernel: number[][]): Naive {
  return naiveConv(
    x.map((row) => [[row]]),
    [[kernel]],
    1,
    'valid',
  );
}

function expectMoments(measured: Distribution, values: readonly number[], digits: number): void {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  expect(measured.count).toBe(values.length);
  expect(measured.mean).toBeCloseTo(mean, digits);
  expect(measured.deviation).toBeCloseTo(deviation, digits);
  expect(measured.minimum).toBeCloseTo(Math.min(...values), digits);
  expect(measured.maximum).toBeCloseTo(Math.max(...values), digits);
  expect(measured.histogram.counts.reduce((a, b) => a + b, 0)).toBe(values.length);
}

/** Counts may differ by the values that lie within rounding of an edge. */
function expectCounts(
  edges: readonly number[],
  counts: readonly number[],
  values: readonly number[],
  slack: number,
): void {
  for (let bin = 0; bin + 1 < edges.length; bin++) {
    const [from, to] = [edges[bin]!, edges[bin + 1]!];
    const last = bin + 2 === edges.length;
    const sure = values.filter((v) => v >= from + slack && v < to - slack).length;
    const possible = values.filter((v) => v >= from - slack && (v < to + slack || last)).length;
    expect(counts[bin]).toBeGreaterThanOrEqual(sure);
    expect(counts[bin]).toBeLessThanOrEqual(possible);
  }
}

describe('angles from a table', () => {
  it('are within 2e-5 degrees, and in the right bin at every edge', () => {
    let largestError = 0;
    for (let i = 0; i <= 200_000; i++) {
      const cosine = -1 + i / 100_000;
      const exact = (Math.acos(cosine) * 180) / Math.PI;
      largestError = Math.max(largestError, Math.abs(degreesOf(cosine) - exact));
    }
    expect(largestError).toBeLessThan(2e-5);
    // Also where the table errs to either side of the edge.
    for (let edge = 1; edge < 180; edge++)
      for (const error of [-1e-5, 0, 1e-5]) {
        const cosine = Math.cos((edge * Math.PI) / 180);
        expect(degreeBin(cosine - 1e-12, edge + error)).toBe(edge);
        expect(degreeBin(cosine + 1e-12, edge + error)).toBe(edge - 1);
      }
    expect([degreeBin(1, 0), degreeBin(-1, 180)]).toEqual([0, 179]);
  });
});

describe('an inspection', () => {
  let model: DcnetModel;
  let inspection: Awaited<ReturnType<typeof inspectModel>>;
  const naive = new Map<string, Naive>();
  /** [patch][filter], after normalisation and activation. */
  const responses = new Map<string, number[][]>();
  let right: boolean[];
  let labels: number[];
  const layer = (name: string): LayerInspection => inspection.layers.find((found) => found.name === name)!;
  /** Patches that reach the layer's floor. */
  const strong = (name: string): Naive => {
    const { norms, cosines } = naive.get(name)!;
    const { floor } = layer(name);
    const kept = norms.map((norm, i) => [norm, cosines[i]!] as const).filter(([norm]) => norm >= floor);
    return { norms: kept.map(([norm]) => norm), cosines: kept.map(([, row]) => row) };
  };
  const degrees = (name: string): number[] =>
    strong(name).cosines.flatMap((row) =>
      row.map((cosine) => (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI),
    );

  beforeAll(async () => {
    const project = await TinyProject.create(testBackend, { test: 30, side: 9 });
    const { runDirectory, summary } = await project.train({
      layers: [
        { type: 'conv', filters: 4, stride: 2, operator: { magnitude: 'tanh', angular: 'sigmoid' } },
        {
          type: 'conv',
          filters: 3,
          kernel: 2,
          padding: 'valid',
          operator: { magnitude: 'seg', angular: 'cosine', radius: 'fixed', rho: 2 },
        },
        { type: 'conv', filters: 5, stride: 2, kernel: 4, operator: 'inner-product', batchNorm: false },
        { type: 'conv', filters: 3, operator: { magnitude: 'sphere', angular: 'linear' } },
        {
          type: 'conv',
          filters: 3,
          operator: { magnitude: 'linear', angular: 'cosine', alpha: 2 },
          batchNorm: false,
          activation: 'none',
        },
        { type: 'flatten' },
        { type: 'dense', units: 4 },
      ],
    });
    const opened = await openCheckpoint(path.join(runDirectory, summary.checkpoint!));
    model = opened.model;
    const data = await dataOf(opened.checkpoint, mediaDirectory, new DataStore());
    inspection = await inspectModel(model, opened.network, data, 'test');

    const x = tf.tidy(() =>
      tf.tensor4d(
        Float32Array.from(data.test.images as Uint8Array, (v) => (v - 127.5) / 128),
        [30, 9, 9, 1],
      ),
    );
    const inputs: [string, unknown][] = [];
    const logits = model.walk(x, ({ name }, input, _output, { response }) => {
      inputs.push([name, input.arraySync()]);
      responses.set(name, tf.reshape(response, [-1, response.shape.at(-1)!]).arraySync() as number[][]);
    });
    const scores = logits.arraySync();
    right = scores.map((row, i) => row.indexOf(Math.max(...row)) === data.test.labels[i]);
    labels = [...data.test.labels];
    for (const [name, input] of inputs) {
      const network = opened.network.layers.find((found) => found.name === name)!;
      const kernel = model.tensors.get(`${name}/kernel`)?.arraySync();
      if (network.type === 'conv')
        naive.set(
          name,
          naiveConv(input as number[][][][], kernel as number[][][][], network.stride, network.padding),
        );
      if (network.type === 'dense') naive.set(name, naiveDense(input as number[][], kernel as number[][]));
    }
  });

  const names = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'dense1'];

  it('has every layer with filters', () => {
    expect(inspection.layers.map(({ name }) => name)).toEqual(names);
    expect(inspection.sampleSize).toBe(30);
    expect(layer('conv3').operator).toBe('inner-product');
    expect(layer('conv2').operator).toEqual({
      magnitude: 'seg',
      angular: 'cosine',
      alpha: 1,
      beta: 0.5,
      radius: 'fixed',
    });
  });

  it.each(names)('of %s has the norms of a plain loop over patches', (name) => {
    const { norm, floor, patches, weakPatches } = layer(name);
    const all = naive.get(name)!.norms;
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    expect(floor).toBeCloseTo(mean / 1000, 6);
    expect(weakPatches).toBe(all.filter((value) => value < floor).length);
    expect(patches + weakPatches).toBe(all.length);
    expectMoments(norm, strong(name).norms, 4);
    expect(norm.histogram.counts.length).toBeLessThanOrEqual(128);
    expectCounts(norm.histogram.edges, norm.histogram.counts, strong(name).norms, 1e-5);
    expect(norm.median).toBeCloseTo(quantile(norm.histogram.edges, norm.histogram.counts, 0.5), 10);
  });

  it.each(names)('of %s has its angles', (name) => {
    const { angle } = layer(name);
    expectMoments(angle, degrees(name), 2);
    expect(angle.histogram.edges[1]).toBe(2);
    expectCounts(angle.histogram.edges, angle.histogram.counts, degrees(name), 0.02);
  });

  it.each(names)('of %s has both together', (name) => {
    const { joint, angle, filters, norm } = layer(name);
    const normBins = joint.normEdges.length - 1;
    expect(normBins).toBeLessThanOrEqual(64);
    expect(joint.counts).toHaveLength(normBins * 60);
    const rows = Array.from({ length: normBins }, (_, row) =>
      joint.counts.slice(row * 60, (row + 1) * 60).reduce((a, b) => a + b, 0),
    );
    const perNorm = strong(name).norms.flatMap((value) => new Array<number>(filters).fill(value));
    expectCounts(joint.normEdges, rows, perNorm, 1e-5);
    // Both count the same pairs: 6° are three bins of 2° and two of 3°.
    for (let start = 0; start < 30; start++) {
      const coarse = Array.from({ length: normBins }, (_, row) => row).reduce(
        (sum, row) => sum + joint.counts[row * 60 + 2 * start]! + joint.counts[row * 60 + 2 * start + 1]!,
        0,
      );
      const fine = angle.histogram.counts.slice(3 * start, 3 * start + 3).reduce((a, b) => a + b, 0);
      expect(coarse).toBe(fine);
    }
    expect(joint.normEdges[0]).toBeLessThanOrEqual(norm.minimum);
    expect(joint.normEdges[normBins]).toBeGreaterThan(norm.maximum);
  });

  it('has the share of pairs beyond each filter’s radius', () => {
    for (const name of ['conv1', 'conv2']) {
      const { radius, rho, regimes, meanPatchNorm } = layer(name);
      const adaptive = name === 'conv1';
      expect(meanPatchNorm === undefined).toBe(!adaptive);
      for (const [f, value] of radius!.entries())
        expect(value).toBeCloseTo(rho![f]! * (meanPatchNorm ?? 1), 4);
      const { norms } = strong(name);
      const beyond = norms.flatMap((norm) => radius!.map((r) => norm > r)).filter((is) => is).length;
      expect(regimes![1]).toEqual({
        name: 'beyond the radius',
        share: expect.closeTo(beyond / norms.length / radius!.length, 3),
      });
      expect(regimes![0]!.share + regimes![1]!.share).toBeCloseTo(1, 12);
    }
    for (const name of ['conv3', 'conv4', 'conv5', 'dense1']) expect(layer(name).regimes).toBeUndefined();
    expect(layer('conv1').k).toHaveLength(4);
    expect(layer('conv2').k).toBeUndefined();
  });

  it.each(names)('of %s has each filter’s mean angle, mean response and silent share', (name) => {
    const { meanAngles, meanResponses, deadShares, silent, filters } = layer(name);
    const hasRelu = name !== 'conv5' && name !== 'dense1';
    expect(silent === 0).toBe(hasRelu);
    const { cosines } = strong(name);
    const rows = responses.get(name)!;
    for (let f = 0; f < filters; f++) {
      const angles = cosines.map((row) => (Math.acos(Math.max(-1, Math.min(1, row[f]!))) * 180) / Math.PI);
      expect(meanAngles[f]).toBeCloseTo(angles.reduce((a, b) => a + b, 0) / angles.length, 2);
      expect(meanResponses[f]).toBeCloseTo(rows.reduce((sum, row) => sum + row[f]!, 0) / rows.length, 5);
      const dead = rows.filter((row) => Math.abs(row[f]!) <= silent).length / rows.length;
      expect(deadShares[f]).toBeCloseTo(dead, 6);
    }
    if (!hasRelu) {
      const sizes = rows.flat().map(Math.abs);
      expect(silent).toBeCloseTo(sizes.reduce((a, b) => a + b, 0) / sizes.length / 1000, 7);
    }
  });

  it.each(names)('of %s has the angles between its filters, and their energy', (name) => {
    const { nearestAngles, energy, filters } = layer(name);
    const kernel = model.tensors.get(`${name}/kernel`)!;
    const columns = tf.reshape(kernel, [-1, filters]).arraySync() as number[][];
    const unit = Array.from({ length: filters }, (_, f) => {
      const column = columns.map((row) => row[f]!);
      return column.map((value) => value / Math.hypot(...column));
    });
    let sum = 0;
    unit.forEach((one, i) => {
      const angles = unit.map((other, j) => {
        const dot = one.reduce((total, value, at) => total + value * other[at]!, 0);
        if (i !== j) sum += 1 / one.reduce((total, value, at) => total + (value - other[at]!) ** 2, 0);
        return i === j ? 180 : (Math.acos(dot) * 180) / Math.PI;
      });
      expect(nearestAngles[i]).toBeCloseTo(Math.min(...angles), 3);
    });
    expect(energy).toBeCloseTo(sum / filters / (filters - 1), 5);
  });

  it.each([
    { label: 1 },
    { outcome: 'right' },
    { outcome: 'wrong' },
    { label: 2, outcome: 'wrong' },
  ] as const)('has the same of the images %j alone', (selection) => {
    const chosen = [...labels.keys()].filter(
      (image) =>
        (!('label' in selection) || labels[image] === selection.label) &&
        (!('outcome' in selection) || right[image] === (selection.outcome === 'right')),
    );
    const whole: Inspection = {
      version: 1,
      checkpoint: 'a',
      checkpointSha256: '',
      epoch: 1,
      step: 1,
      data: 'data',
      split: 'test',
      sampleSize: 30,
      accuracy: inspection.accuracy,
      classes: [...inspection.classes],
      backend: 'wasm',
      layers: [...inspection.layers],
    };
    const part = restrictInspection(whole, inspection.groups, selection);
    expect(part.sampleSize).toBe(chosen.length);
    expect(part.accuracy).toBeCloseTo(
      chosen.length === 0 ? 0 : chosen.filter((image) => right[image]).length / chosen.length,
      12,
    );
    for (const name of names) {
      const measured = part.layers.find((found) => found.name === name)!;
      const { norms, cosines } = naive.get(name)!;
      const patches = norms.length / 30;
      const own = chosen
        .flatMap((image) => Array.from({ length: patches }, (_, p) => image * patches + p))
        .filter((p) => norms[p]! >= measured.floor);
      const ownNorms = own.map((p) => norms[p]!);
      expect(measured.patches).toBe(own.length);
      if (own.length === 0) continue;
      expectMoments(measured.norm, ownNorms, 4);
      expectCounts(measured.norm.histogram.edges, measured.norm.histogram.counts, ownNorms, 1e-5);
      const angles = own.flatMap((p) =>
        cosines[p]!.map((cosine) => (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI),
      );
      expectMoments(measured.angle, angles, 2);
      expectCounts(measured.angle.histogram.edges, measured.angle.histogram.counts, angles, 0.02);
      const { normEdges, counts } = measured.joint;
      const rows = normEdges
        .slice(1)
        .map((_, row) => counts.slice(row * 30, (row + 1) * 30).reduce((a, b) => a + b, 0));
      expectCounts(
        normEdges,
        rows,
        ownNorms.flatMap((norm) => new Array<number>(measured.filters).fill(norm)),
        1e-5,
      );
      const { radius, regimes } = measured;
      if (radius === undefined) continue;
      const beyond = ownNorms.flatMap((norm) => radius.map((r) => norm > r)).filter((is) => is).length;
      expect(regimes![1]!.share).toBeCloseTo(beyond / own.length / radius.length, 3);
    }
  });

  it('has the norm of each filter', () => {
    const kernel = model.tensors.get('dense1/kernel')!.arraySync() as number[][];
    for (const [unit, norm] of layer('dense1').weightNorms.entries())
      expect(norm).toBeCloseTo(Math.hypot(...kernel.map((row) => row[unit]!)), 6);
  });
});

describe('an inspection’s course', () => {
  it('is told, can be cancelled, looks at no more images than asked for and leaves no tensor', async () => {
    const project = await TinyProject.create(testBackend, { test: 250 });
    const { runDirectory, summary } = await project.train({ epochs: 1 });
    const { checkpoint, network, model } = await openCheckpoint(path.join(runDirectory, summary.checkpoint!));
    const data = await dataOf(checkpoint, mediaDirectory, new DataStore());
    const before = tf.memory().numTensors;

    const done: number[] = [];
    const whole = await inspectModel(model, network, data, 'test', {
      onProgress: (p) => done.push(p.done / p.total),
    });
    expect(done).toEqual([0, 0.4, 0.8, 1]);
    expect(whole.accuracy).toBe(summary.testAccuracy);
    const some = await inspectModel(model, network, data, 'test', { limit: 7 });
    expect(some.sampleSize).toBe(7);
    expect(some.layers[0]!.patches + some.layers[0]!.weakPatches).toBe(7 * 8 * 8);

    const abort = new AbortController();
    const cancelled = inspectModel(model, network, data, 'test', {
      signal: abort.signal,
      onProgress: ({ done: images }) => images > 0 && abort.abort(),
    });
    await expect(cancelled).rejects.toMatchObject({ details: { code: 'cancelled' } });
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('of patches that are all zero, or all alike, is still a valid one', async () => {
    const project = await TinyProject.create(testBackend, { test: 8 });
    const { runDirectory, summary } = await project.train({
      epochs: 1,
      layers: [
        { type: 'conv', filters: 2, batchNorm: false },
        { type: 'conv', filters: 2, batchNorm: false },
        { type: 'flatten' },
        { type: 'dense', units: 4 },
      ],
    });
    const { checkpoint, network, model } = await openCheckpoint(path.join(runDirectory, summary.checkpoint!));
    const data = await dataOf(checkpoint, mediaDirectory, new DataStore());
    // Dead filters: what comes after ReLU is zero everywhere.
    const kernel = model.tensors.get('conv1/kernel')!;
    tf.tidy(() => kernel.assign(tf.zerosLike(kernel)));
    const { layers } = await inspectModel(model, network, data, 'test');
    const whole: Inspection = {
      version: 1,
      checkpoint: 'a',
      checkpointSha256: '',
      epoch: 1,
      step: 1,
      data: 'data',
      split: 'test',
      sampleSize: 8,
      accuracy: 0,
      classes: [],
      backend: testBackend,
      layers: [...layers],
    };
    inspectionSchema.parse(whole);
    expect(layers[0]!.angle).toMatchObject({ minimum: 90, maximum: 90 });
    expect(layers[1]).toMatchObject({
      patches: 0,
      weakPatches: 8 * 8 * 8,
      norm: { count: 0 },
      angle: { count: 0 },
    });
    expect(layers[1]!.regimes).toEqual([
      { name: 'below the radius', share: 0 },
      { name: 'beyond the radius', share: 0 },
    ]);
    model.dispose();
  });
});
