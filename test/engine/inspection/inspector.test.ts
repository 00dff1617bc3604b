import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { restrictInspection } from '../../../src/core/statistics/splits.js';
import { dataOf, openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { inspectModel } from '../../../src/engine/inspection/inspect.js';
import { Inspector } from '../../../src/engine/inspection/inspector.js';
import { mediaDirectory, TinyProject } from '../training/support.js';

const split = 'test' as const;

describe('looking into a checkpoint', () => {
  let checkpoint: string;
  let folder: string;
  let reports = 0;
  const context = { signal: new AbortController().signal, report: () => void reports++ };
  const inspector = (): Inspector => new Inspector('wasm', mediaDirectory, new DataStore());

  beforeAll(async () => {
    const project = await TinyProject.create('wasm', { test: 60, side: 8 });
    const { runDirectory, summary } = await project.train({ epochs: 1 });
    checkpoint = path.join(runDirectory, summary.checkpoint!);
    folder = path.join(runDirectory, 'inspections');
  });

  it('keeps what it measured, and what classes and right and wrong make of it', async () => {
    await rm(folder, { recursive: true, force: true });
    const whole = await inspector().inspect({ checkpoint, split }, context);
    expect(whole.classes.reduce((sum, { images }) => sum + images, 0)).toBe(60);
    expect(await readdir(folder)).toEqual(['epoch-0001.test.groups.json', 'epoch-0001.test.json']);

    reports = 0;
    const selection = { label: 1, outcome: 'wrong' } as const;
    const read = await inspector().inspect({ checkpoint, split, selection }, context);
    expect(reports).toBe(0);
    expect(read.selection).toEqual(selection);
    const { model, network, checkpoint: opened } = await openCheckpoint(checkpoint);
    const data = await dataOf(opened, mediaDirectory, new DataStore());
    const { groups } = await inspectModel(model, network, data, split);
    model.dispose();
    expect(read).toEqual(restrictInspection(whole, groups, selection));
    expect(read.layers[0]!.patches + read.layers[0]!.weakPatches).toBe(read.sampleSize * 64);

    // Without the second file it is measured again.
    await rm(path.join(folder, 'epoch-0001.test.groups.json'));
    const again = await inspector().inspect({ checkpoint, split, selection }, context);
    expect(reports).toBeGreaterThan(0);
    expect(again).toEqual(read);
    const file = path.join(folder, 'epoch-0001.test.groups.json');
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ version: 1 });
    expect((await stat(file)).size).toBeLessThan(1e6);

    // Nor is one of another checkpoint taken for this one's.
    const foreign = { ...JSON.parse(await readFile(file, 'utf8')), checkpointSha256: 'another' };
    await writeFile(file, JSON.stringify(foreign));
    reports = 0;
    expect(await inspector().inspect({ checkpoint, split, selection }, context)).toEqual(read);
    expect(reports).toBeGreaterThan(0);
  });

  it('gives the images of a selection, some at a time', async () => {
    const looking = inspector();
    const of = (selection: object, from: number) =>
      looking.sampleImages({ checkpoint, split, selection, from, count: 20 }, context);
    const all = await of({}, 50);
    expect(all.count).toBe(60);
    expect(all.images.map(({ index }) => index)).toEqual(Array.from({ length: 10 }, (_, i) => 50 + i));
    const { classes } = await looking.inspect({ checkpoint, split }, context);
    const wrong = await of({ label: 2, outcome: 'wrong' }, 0);
    expect(wrong.count).toBe(classes[2]!.images - classes[2]!.correct);
    for (const { label, predicted } of wrong.images) {
      expect(label).toBe(2);
      expect(predicted).not.toBe(2);
    }
    expect(Buffer.from(all.images[0]!.pixels, 'base64')).toHaveLength(64);
  });

  it('maps norm, angle and output of a filter over an image', async () => {
    const { model, checkpoint: opened } = await openCheckpoint(checkpoint);
    const data = await dataOf(opened, mediaDirectory, new DataStore());
    const at = { index: 7, layer: 'conv2', filter: 5 };
    const maps = await inspector().imageMaps({ checkpoint, split, ...at });
    expect([maps.height, maps.width, maps.image.index]).toEqual([4, 4, 7]);
    const pixels = Float32Array.from(data.test.images.subarray(7 * 64, 8 * 64), (v) => (v - 127.5) / 128);
    const x = tf.tensor4d(pixels, [1, 8, 8, 1]);
    let input: number[][][] = [];
    let output: number[][][] = [];
    const scores = model.walk(x, ({ name }, seen, made) => {
      if (name !== 'conv2') return;
      input = (seen.arraySync() as number[][][][])[0]!;
      output = (made.arraySync() as number[][][][])[0]!;
    });
    const kernel = model.tensors.get('conv2/kernel')!.arraySync() as number[][][][];
    const weights = kernel.flat(2).map((channel) => channel[5]!);
    for (let row = 0; row < 4; row++)
      for (let column = 0; column < 4; column++) {
        // Stride 2, 'same': no row before, one after.
        const patch = kernel.flatMap((line, i) =>
          line.flatMap((_, j) => input[2 * row + i]?.[2 * column + j] ?? [0, 0, 0, 0]),
        );
        const norm = Math.hypot(...patch);
        const dot = patch.reduce((sum, value, i) => sum + value * weights[i]!, 0);
        const angle = (Math.acos(dot / norm / Math.hypot(...weights)) * 180) / Math.PI;
        expect(maps.norm[row * 4 + column]).toBeCloseTo(norm, 4);
        expect(maps.angle[row * 4 + column]).toBeCloseTo(angle, 2);
        expect(maps.output[row * 4 + column]).toBeCloseTo(output[row]![column]![5]!, 6);
      }
    const best = scores.dataSync().indexOf(Math.max(...scores.dataSync()));
    expect(maps.predictedName).toBe(data.info.classNames[best]);
    expect(maps.labelName).toBe(data.info.classNames[data.test.labels[7]!]);
    model.dispose();
    for (const wrong of [{ layer: 'conv9' }, { filter: 6 }, { index: 60 }])
      await expect(inspector().imageMaps({ checkpoint, split, ...at, ...wrong })).rejects.toMatchObject({
        details: { code: 'usage' },
      });
  });

  it('maps a plain layer, whose filters are not of unit length', async () => {
    const { model, network, checkpoint: opened } = await openCheckpoint(checkpoint);
    const data = await dataOf(opened, mediaDirectory, new DataStore());
    const { name } = network.layers.find(({ type }) => type === 'dense')!;
    const pixels = Float32Array.from(data.test.images.subarray(3 * 64, 4 * 64), (v) => (v - 127.5) / 128);
    let features: number[] = [];
    model
      .walk(tf.tensor4d(pixels, [1, 8, 8, 1]), (layer, seen) => {
        if (layer.name === name) features = (seen.arraySync() as number[][])[0]!;
      })
      .dispose();
    const weights = (model.tensors.get(`${name}/kernel`)!.arraySync() as number[][]).map((row) => row[2]!);
    model.dispose();
    const dot = features.reduce((sum, value, i) => sum + value * weights[i]!, 0);
    const cosine = dot / Math.hypot(...features) / Math.hypot(...weights);
    const maps = await inspector().imageMaps({ checkpoint, split, index: 3, layer: name, filter: 2 });
    expect([maps.height, maps.width]).toEqual([1, 1]);
    expect(maps.norm[0]).toBeCloseTo(Math.hypot(...features), 4);
    expect(maps.angle[0]).toBeCloseTo((Math.acos(cosine) * 180) / Math.PI, 2);
    expect(maps.output[0]).toBeCloseTo(dot, 4);
  });

  it('gives the angles between all filters of a layer', async () => {
    const { model } = await openCheckpoint(checkpoint);
    const kernel = (model.tensors.get('conv1/kernel')!.arraySync() as number[][][][]).flat(2);
    model.dispose();
    const { filters, angles } = await inspector().filterAngles({ checkpoint, layer: 'conv1' });
    const values = new Uint16Array(new Uint8Array(Buffer.from(angles, 'base64')).buffer);
    expect([filters, values.length]).toEqual([4, 6]);
    let at = 0;
    for (let i = 0; i < 4; i++)
      for (let j = i + 1; j < 4; j++) {
        const [a, b] = [kernel.map((row) => row[i]!), kernel.map((row) => row[j]!)];
        const dot = a.reduce((sum, value, k) => sum + value * b[k]!, 0);
        const exact = (Math.acos(dot / Math.hypot(...a) / Math.hypot(...b)) * 180) / Math.PI;
        expect((values[at++]! * 180) / 65535).toBeCloseTo(exact, 2);
      }
  });
});
