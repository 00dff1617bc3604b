import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.js';
import { centreCropped } from '../../../src/engine/data/crop.js';
import type { DataSet } from '../../../src/engine/data/dataSet.js';
import type { ImageBytes } from '../../../src/engine/data/split.js';
import { Engine } from '../../../src/engine/service.js';
import { testBackend } from '../backends.js';
import { failure } from '../failure.js';
import { mediaDirectory, TinyProject } from '../training/support.js';
import { idxBytes } from './tinyData.js';

const silent = { signal: new AbortController().signal, report: () => {} };

/** Images 5×6 of one channel, where each pixel tells its row and column: 10·row + column, and 100 more an image. */
function numbered(images: (bytes: Uint8Array) => ImageBytes): DataSet {
  const bytes = Uint8Array.from(
    { length: 60 },
    (_, i) => 100 * Math.floor(i / 30) + 10 * Math.floor((i % 30) / 6) + (i % 6),
  );
  const split = { count: 2, images: images(bytes), labels: Uint8Array.of(1, 0) };
  return {
    info: { shape: [5, 6, 1], classes: 2 },
    sha256: '',
    train: split,
    test: split,
  } as unknown as DataSet;
}

describe('the middle of images', () => {
  // An odd border is narrower above and at the left.
  const middle = [11, 12, 13, 21, 22, 23];
  const second = middle.map((value) => 100 + value);

  it('is cut out of images in memory', () => {
    const { info, test } = centreCropped(
      numbered((bytes) => bytes),
      [2, 3],
    );
    expect(info.shape).toEqual([2, 3, 1]);
    expect(test.images).toHaveLength(12);
    expect([...test.images.subarray(0, 12)]).toEqual([...middle, ...second]);
    expect([...test.images.subarray(6, 12)]).toEqual(second);
    expect(test.images.readInto).toBeUndefined();
  });

  it('is cut out of images in a file, which is read ahead as before', async () => {
    const asked: number[][] = [];
    const { train } = centreCropped(
      numbered((bytes) => ({
        length: bytes.length,
        subarray: bytes.subarray.bind(bytes),
        readInto: async (into, from) => {
          asked.push([from, into.length]);
          into.set(bytes.subarray(from, from + into.length));
        },
      })),
      [2, 3],
    );
    const own = new Uint8Array(6);
    await train.images.readInto!(own, 6);
    expect([...own]).toEqual(second);
    expect(asked).toEqual([[30, 30]]);
  });

  it('is the whole where there is no crop', () => {
    const data = numbered((bytes) => bytes);
    expect(centreCropped(data, undefined)).toBe(data);
    expect([...centreCropped(data, [5, 6]).test.images.subarray(0, 60)]).toEqual([
      ...data.test.images.subarray(0, 60),
    ]);
  });
});

describe('a network with a crop', () => {
  const side = 8;
  const crop = 5;
  const classes = 4;
  const count = 20;
  let project: TinyProject;
  let engine: Engine;
  let checkpoint: string;
  /** Test images as written, and their middles: rows and columns 1 to 5. */
  let [whole, middles] = [new Uint8Array(), new Uint8Array()];

  beforeAll(async () => {
    project = await TinyProject.create(testBackend, { side, test: count });
    const { runDirectory, summary } = await project.train(
      { augmentation: { crop: [crop, crop], flip: true }, epochs: 2 },
      { name: 'cropped' },
    );
    checkpoint = path.join(runDirectory, summary.checkpoint!);
    const events = { runChanged: () => {}, runFinished: () => {}, log: () => {} };
    engine = new Engine({ runtime: project.runtime, mediaDirectory, events });
    const file = await readFile(path.join(project.directory, 'data', 't10k-images-idx3-ubyte'));
    whole = new Uint8Array(file.subarray(16));
    middles = Uint8Array.from({ length: count * crop * crop }, (_, i) => {
      const [image, y, x] = [Math.floor(i / 25), Math.floor((i % 25) / 5), i % 5];
      return whole[image * side * side + (y + 1) * side + (x + 1)]!;
    });
  });

  async function predicted(images: Uint8Array, size: number): Promise<readonly (readonly number[])[]> {
    const file = path.join(project.directory, `images-${size}`);
    await writeFile(file, idxBytes([count, size, size], images));
    return (await engine.predict({ checkpoint, images: file }, silent)).logits;
  }

  it('keeps the data’s shape, and takes the crop’s', async () => {
    const { metadata } = await readCheckpoint(checkpoint);
    expect(metadata.data.shape).toEqual([side, side, 1]);
    const { layers } = await engine.inspect({ checkpoint, split: 'test' }, silent);
    expect(layers[0]).toMatchObject({ inputShape: [crop, crop, 1] });
  });

  it('sees the middle of test images, in prediction and evaluation', async () => {
    const logits = await predicted(middles, crop);
    expect(await predicted(whole, side)).toEqual(logits);
    const evaluated = await engine.evaluate({ checkpoint, split: 'test' }, silent);
    // Labels of the tiny data are 0, 1, 2, 3, 0, …
    const losses = logits.map((row, i) => {
      const total = row.reduce((sum, value) => sum + Math.exp(value), 0);
      return Math.log(total) - row[i % classes]!;
    });
    expect(evaluated.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / count, 5);
    const right = logits.filter((row, i) => row.indexOf(Math.max(...row)) === i % classes);
    expect(evaluated.accuracy).toBe(right.length / count);
    const { metadata } = await readCheckpoint(checkpoint);
    expect(metadata.metrics.testAccuracy).toBe(evaluated.accuracy); // training tests on the same
    expect(metadata.metrics.testLoss).toBeCloseTo(evaluated.loss, 5);
  });

  it('is looked into, explained, attacked and compared on the same middles', async () => {
    const pixels = Buffer.from(middles.subarray(0, crop * crop)).toString('base64');
    const first = { index: 0, shape: [crop, crop, 1], pixels };
    const handlers = engine.handlers();
    const of = { checkpoint, split: 'test' } as const;
    expect(await handlers.imageMaps({ ...of, index: 0, layer: 'conv1', filter: 0 }, silent)).toMatchObject({
      image: first,
      height: crop,
      width: crop,
    });
    expect(await handlers.images({ ...of, indices: [0] }, silent)).toMatchObject([first]);
    const { numTensors } = tf.memory();
    const analysis = await handlers.explainErrors(of, silent);
    const evaluated = await engine.evaluate(of, silent);
    expect(analysis.errors.index).toHaveLength(count - Math.round(evaluated.accuracy * count));
    const attacked = await handlers.attack({ ...of, attack: 'fgsm', epsilon: 8 }, silent);
    expect(attacked.accuracy).toBe(evaluated.accuracy);
    const evidence = await handlers.errorEvidence({ ...of, index: analysis.errors.index[0]! }, silent);
    for (const { shape } of [evidence.image, ...evidence.neighbours]) expect(shape).toEqual([crop, crop, 1]);
    const earlier = checkpoint.replace(/epoch-0002/, 'epoch-0001');
    expect(earlier).not.toBe(checkpoint);
    const compared = await handlers.compareBehaviour(
      { a: { file: earlier }, b: { file: checkpoint } },
      silent,
    );
    expect(compared.b.accuracy).toBe(evaluated.accuracy);
    expect(tf.memory().numTensors).toBe(numTensors);
    const { measurement } = await handlers.robustness(
      {
        ...{ ...of, attacks: ['bim'], norm: 'linf', epsilons: [0, 8], steps: 2, restarts: 1 },
        ...{ targeted: false, images: count, seed: 1 },
      },
      silent,
    );
    expect(measurement.accuracy).toBe(evaluated.accuracy);
  });

  it('refuses images of a third size, and networks that take another crop', async () => {
    const details = await failure(predicted(new Uint8Array(count * 36), 6));
    expect(details.message).toContain(
      'The images are 6×6×1, but the network takes the middle, 5×5×1, of 8×8×1.',
    );
    const other = await project.train({ augmentation: { crop: [6, 6] }, epochs: 1 }, { name: 'other' });
    const b = path.join(other.runDirectory, other.summary.checkpoint!);
    const both = { a: { file: checkpoint }, b: { file: b } };
    const weights = await engine.handlers().compareWeights(both, silent);
    expect(weights.noCommonData).toContain('A takes images of 5 × 5 × 1 and B of 6 × 6 × 1');
    await expect(engine.handlers().compareBehaviour(both, silent)).rejects.toMatchObject({
      details: { code: 'usage' },
    });
    const transferred = engine.robustness(
      {
        ...{ checkpoint, split: 'test', attacks: ['fgsm'], norm: 'linf', epsilons: [8], steps: 1 },
        ...{ restarts: 1, targeted: false, images: 4, seed: 1, source: b },
      },
      silent,
    );
    await expect(transferred).rejects.toMatchObject({ details: { code: 'usage', file: b } });
  });

  it('is trained as one without a crop where the crop is the image', async () => {
    const weights = async (name: string, augmentation: object): Promise<readonly unknown[]> => {
      const { runDirectory, summary } = await project.train({ augmentation, epochs: 1 }, { name });
      const { tensors } = await readCheckpoint(path.join(runDirectory, summary.checkpoint!));
      return [...tensors.values()];
    };
    const padded = { mirrorPad: 2, flip: true };
    expect(await weights('as-large', { ...padded, crop: [side, side] })).toEqual(
      await weights('none', padded),
    );
  });

  it('goes on after a stop', async () => {
    const changes = { augmentation: { crop: [crop, crop] }, adversarial: { attack: 'fgsm', epsilon: 4 } };
    const through = await project.train(changes, { name: 'through' });
    const stopped = await project.train(changes, {
      name: 'stopped',
      onChange: ({ status, step }, queue, run) => {
        if (status === 'running' && step >= 5) void queue.stop(run);
      },
    });
    const finished = await project.resume(stopped.runDirectory);
    expect(finished.status).toBe('completed');
    const read = (directory: string) =>
      readFile(path.join(directory, 'checkpoints', 'epoch-0003.dcnet.safetensors'));
    expect((await read(stopped.runDirectory)).equals(await read(through.runDirectory))).toBe(true);
  });
});
