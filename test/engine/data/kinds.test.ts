import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { encode as encodePng } from 'fast-png';
import { encode as encodeJpeg } from 'jpeg-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataConfig } from '../../../src/core/config/dataSchema.js';
import { DcnetError } from '../../../src/core/errors.js';
import { throwIfCancelled } from '../../../src/engine/cancelled.js';
import { type DataSet, describeData, loadData } from '../../../src/engine/data/dataSet.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { loadImages } from '../../../src/engine/data/imagesData.js';
import { type LocatedAs, locateData } from '../../../src/engine/data/location.js';
import { resize } from '../../../src/engine/data/resize.js';
import { writeTinyCifar } from './tinyCifar.js';
import { temporaryFolder } from './tinyData.js';

let folder: string;
const file = (...names: readonly string[]): string => path.join(folder, ...names);
const located = (data: DataConfig) => locateData(data, folder, 'media');

beforeEach(async () => {
  folder = await temporaryFolder();
});

async function failure(work: Promise<unknown>): Promise<DcnetError['details']> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(DcnetError);
  const { details } = thrown as DcnetError;
  expect(details.code).toBe('data');
  expect(details.remedy).not.toBe('');
  return details;
}

const pixels = ({ train }: DataSet, image: number, size: number): number[] => [
  ...train.images.subarray(image * size, (image + 1) * size),
];

describe('CIFAR’s binary files', () => {
  it('are planes of red, green and blue, and come as pixels', async () => {
    const { records } = await writeTinyCifar(folder, 'cifar10');
    const data = await loadData(located({ cifar10: '.' }));
    expect(data.info).toMatchObject({ shape: [32, 32, 3], classes: 10, trainImages: 20, testImages: 6 });
    expect(data.info.classNames[9]).toBe('class 9');
    // Image 7 is the fourth of the second file's: byte 1 + c·1024 + y·32 + x of its record.
    const record = records['data_batch_2.bin']!.subarray(3 * 3073, 4 * 3073);
    expect(data.train.labels[7]).toBe(record[0]);
    const at = 7 * 3072 + (5 * 32 + 9) * 3;
    expect([...data.train.images.subarray(at, at + 3)]).toEqual(
      [0, 1, 2].map((c) => record[1 + c * 1024 + 5 * 32 + 9]),
    );
    expect(await describeData(located({ cifar10: '.' }))).toEqual(data.info);
  });

  it('have fine and coarse labels', async () => {
    const { records } = await writeTinyCifar(folder, 'cifar100');
    const fine = await loadData(located({ cifar100: '.', labels: 'fine' }));
    const coarse = await loadData(located({ cifar100: '.', labels: 'coarse' }));
    expect([fine.info.classes, coarse.info.classes]).toEqual([100, 20]);
    const record = records['train.bin']!.subarray(3 * 3074, 4 * 3074);
    expect([coarse.train.labels[3], fine.train.labels[3]]).toEqual([record[0], record[1]]);
    expect(pixels(fine, 3, 3072).slice(0, 3)).toEqual([record[2], record[2 + 1024], record[2 + 2048]]);
    expect(fine.sha256).not.toBe(coarse.sha256);
  });

  it('have the hash of the files’ bytes, also inside the archive’s own folder', async () => {
    const { records } = await writeTinyCifar(folder, 'cifar10');
    const hash = createHash('sha256');
    for (const name of [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`)) hash.update(records[name]!);
    hash.update(records['test_batch.bin']!);
    const expected = hash.digest('hex');
    expect((await loadData(located({ cifar10: '.' }))).sha256).toBe(expected);
    const outer = await temporaryFolder();
    await rename(folder, path.join(outer, 'cifar-10-batches-bin'));
    expect((await loadData(locateData({ cifar10: outer }, '/', 'media'))).sha256).toBe(expected);
  });

  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a missing file', () => rm(file('data_batch_3.bin')), '.', /no file data_batch_3\.bin/],
    ['missing names', () => rm(file('batches.meta.txt')), '.', /no file batches\.meta\.txt/],
    [
      'a truncated file',
      () => truncate(file('test_batch.bin'), 5000),
      'test_batch.bin',
      /whole number of records/,
    ],
    ['an empty file', () => truncate(file('test_batch.bin'), 0), 'test_batch.bin', /whole number of records/],
    [
      'a label that is no class',
      async () => {
        const bytes = await readFile(file('data_batch_1.bin'));
        bytes[3073] = 10;
        await writeFile(file('data_batch_1.bin'), bytes);
      },
      'data_batch_1.bin',
      /Record 1 has the label 10/,
    ],
  ])('%s is told, with the file', async (_, spoil, name, message) => {
    await writeTinyCifar(folder, 'cifar10');
    await spoil();
    const details = await failure(loadData(located({ cifar10: '.' })));
    expect(details.message).toMatch(message);
    expect(details.file).toBe(file(name));
  });
});

/** A picture of one colour. */
function picture(width: number, height: number, colour: readonly number[]): Uint8Array {
  return encodePng({
    width,
    height,
    channels: 3,
    data: Uint8Array.from({ length: 3 * width * height }, (_, i) => colour[i % 3]!),
  });
}

async function writeImage(bytes: Uint8Array, ...names: readonly string[]): Promise<void> {
  await mkdir(path.dirname(file(...names)), { recursive: true });
  await writeFile(file(...names), bytes);
}

describe('a folder of images', () => {
  const images = (rest: Partial<Extract<DataConfig, { images: string }>> = {}) =>
    located({ images: '.', color: 'rgb', ...rest }) as LocatedAs<'images'>;

  beforeEach(async () => {
    await writeImage(picture(4, 2, [200, 100, 50]), 'train', 'dog', 'b.png');
    await writeImage(picture(4, 2, [1, 2, 3]), 'train', 'dog', 'a.PNG');
    await writeImage(picture(4, 2, [9, 8, 7]), 'train', 'cat', 'x.png');
    await writeImage(picture(4, 2, [5, 6, 7]), 'test', 'dog', 'y.png');
  });

  it('has its classes from the folders’ names, and all in their order', async () => {
    const data = await loadData(images());
    expect(data.info).toMatchObject({
      shape: [2, 4, 3],
      classNames: ['cat', 'dog'],
      trainImages: 3,
      testImages: 1,
    });
    expect([...data.train.labels, ...data.test.labels]).toEqual([0, 1, 1, 1]);
    expect([0, 1, 2].map((i) => pixels(data, i, 24).slice(0, 3))).toEqual([
      [9, 8, 7],
      [1, 2, 3],
      [200, 100, 50],
    ]);
    expect(await describeData(images())).toEqual(data.info);
  });

  it('is grey when asked', async () => {
    const data = await loadData(images({ color: 'grey' }));
    expect(data.info.shape).toEqual([2, 4, 1]);
    expect(pixels(data, 2, 8)[0]).toBe(124); // 0.299·200 + 0.587·100 + 0.114·50 = 124.2
  });

  it('may be JPEG, and is brought to a size', async () => {
    const data = Uint8Array.from({ length: 4 * 64 * 48 }, (_, i) => [180, 90, 30, 255][i % 4]!);
    await writeImage(encodeJpeg({ width: 64, height: 48, data }, 95).data, 'train', 'cat', 'x.jpeg');
    const loaded = await loadData(images({ size: [8, 8] }));
    expect(loaded.info).toMatchObject({ shape: [8, 8, 3], trainImages: 4 });
    for (const [i, value] of [180, 90, 30].entries())
      expect(Math.abs(pixels(loaded, 0, 192)[i]! - value)).toBeLessThanOrEqual(3);
  });

  it('holds a share of each class back, always the same', async () => {
    const tree = await temporaryFolder();
    for (const name of ['a', 'b'])
      for (let i = 0; i < 10; i++) {
        await mkdir(path.join(tree, name), { recursive: true });
        await writeFile(path.join(tree, name, `${i}.png`), picture(2, 2, [i, 0, 0]));
      }
    const split = () => loadData(locateData({ images: tree, color: 'rgb', testShare: 0.3 }, '/', 'media'));
    const [first, second] = [await split(), await split()];
    expect(first.info).toMatchObject({ trainImages: 14, testImages: 6 });
    expect([...first.test.labels]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(second.sha256).toBe(first.sha256);
    // Each image is in one of the two.
    const reds = (of: DataSet['train'], from: number, to: number): number[] =>
      Array.from(
        { length: to - from },
        (_, i) => of.images.subarray((from + i) * 12, (from + i) * 12 + 1)[0]!,
      );
    expect([...reds(first.train, 0, 7), ...reds(first.test, 0, 3)].sort()).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });

  it('has labels of two bytes where there are more than 256 classes', async () => {
    const tree = await temporaryFolder();
    for (let i = 0; i < 300; i++) {
      const name = `c${String(i).padStart(3, '0')}`;
      for (const split of ['train', 'test']) {
        await mkdir(path.join(tree, split, name), { recursive: true });
        await writeFile(path.join(tree, split, name, 'i.png'), picture(1, 1, [i % 256, 0, 0]));
      }
    }
    const data = await loadData(locateData({ images: tree, color: 'rgb' }, '/', 'media'));
    expect([data.info.classes, data.train.labels[299]]).toEqual([300, 299]);
  });

  afterEach(() => {
    process.env.DCNET_CACHE = undefined;
    delete process.env.DCNET_CACHE;
  });

  describe('that does not fit into memory', () => {
    it('is decoded to the disk once, and reads the same', async () => {
      const cache = await temporaryFolder();
      process.env.DCNET_CACHE = cache;
      const memory = await loadImages(images());
      const disk = await loadImages(images(), { mostInMemory: 10 });
      expect(disk.sha256).toBe(memory.sha256);
      expect(disk.train.images).not.toBeInstanceOf(Uint8Array);
      expect([...disk.train.images.subarray(24, 72)]).toEqual([...memory.train.images.subarray(24, 72)]);
      expect([...disk.test.images.subarray(0, 24)]).toEqual([...memory.test.images.subarray(0, 24)]);
      // Not again, as long as the files stay as they are; then in the place of the old one.
      const { readdir, stat } = await import('node:fs/promises');
      const [name] = await readdir(cache);
      const { mtimeMs } = await stat(path.join(cache, name!));
      await loadImages(images(), { mostInMemory: 10 });
      expect((await stat(path.join(cache, name!))).mtimeMs).toBe(mtimeMs);
      await writeImage(picture(4, 2, [77, 0, 0]), 'train', 'cat', 'x.png');
      const changed = await loadImages(images(), { mostInMemory: 10 });
      expect(changed.train.images.subarray(0, 1)[0]).toBe(77);
      expect(await readdir(cache)).toHaveLength(1);
    });
  });

  it('tells how far its reading is, and is given up whole', async () => {
    const cache = await temporaryFolder();
    process.env.DCNET_CACHE = cache;
    const { readdir } = await import('node:fs/promises');
    for (const mostInMemory of [undefined, 10]) {
      const cancel = new AbortController();
      cancel.abort();
      const reading = loadImages(images(), { signal: cancel.signal, mostInMemory });
      await expect(reading).rejects.toMatchObject({ details: { code: 'cancelled' } });
      expect(await readdir(cache)).toEqual([]);
      const told: (readonly number[])[] = [];
      await loadImages(images(), { onProgress: (...counts) => void told.push(counts), mostInMemory });
      expect(told.at(-1)).toEqual([4, 4]);
    }
  });

  it('is read for whoever else wants it when the first one gives it up', async () => {
    const store = new DataStore();
    const cancel = new AbortController();
    let second: Promise<DataSet> | undefined;
    const first = store.load(images(), {
      signal: cancel.signal,
      onProgress: async () => {
        second = store.load(images());
        await delay(100); // it has found by then that the set is being read
        cancel.abort();
        throwIfCancelled(cancel.signal);
      },
    });
    await expect(first).rejects.toMatchObject({ details: { code: 'cancelled' } });
    expect((await second)?.train.count).toBe(3);
  });

  it('is kept in memory until a file changes', async () => {
    const store = new DataStore();
    const first = await store.load(images());
    expect(await store.load(images())).toBe(first);
    await writeImage(picture(4, 2, [5, 5, 5]), 'train', 'cat', 'z.png');
    expect((await store.load(images())).train.count).toBe(4);
  });

  it.each<[string, () => Promise<unknown>, readonly string[], RegExp]>([
    [
      'an image of another size',
      () => writeImage(picture(5, 2, [0, 0, 0]), 'train', 'dog', 'c.png'),
      ['train', 'dog', 'c.png'],
      /2×5, but the first one 2×4/,
    ],
    [
      'a file that is no image',
      () => writeImage(Buffer.from('hello'), 'train', 'dog', 'c.png'),
      ['train', 'dog', 'c.png'],
      /neither a PNG nor a JPEG/,
    ],
    [
      'a file of another kind',
      () => writeImage(Buffer.from('hello'), 'train', 'dog', 'c.txt'),
      ['train', 'dog', 'c.txt'],
      /no PNG or JPEG by its name/,
    ],
    [
      'a PNG that is cut off',
      () => writeImage(picture(4, 2, [1, 1, 1]).subarray(0, 50), 'train', 'dog', 'c.png'),
      ['train', 'dog', 'c.png'],
      /cannot be decoded/,
    ],
    [
      'a PNG of absurd size',
      () => {
        const bytes = Buffer.from(picture(4, 2, [1, 1, 1]));
        bytes.writeUInt32BE(2_000_000_000, 16);
        return writeImage(bytes, 'train', 'dog', 'c.png');
      },
      ['train', 'dog', 'c.png'],
      /2000000000×2/,
    ],
    [
      'a JPEG that is cut off',
      () =>
        writeImage(
          encodeJpeg({ width: 4, height: 2, data: new Uint8Array(32) }).data.subarray(0, 100),
          'train',
          'dog',
          'c.jpg',
        ),
      ['train', 'dog', 'c.jpg'],
      /cannot be decoded/,
    ],
    [
      'a test class without training images',
      () => writeImage(picture(4, 2, [1, 1, 1]), 'test', 'cow', 'c.png'),
      ['test', 'cow'],
      /class cow/,
    ],
    ['an empty class', () => mkdir(file('train', 'cow')), ['train', 'cow'], /no image/],
    [
      'a file beside the classes',
      () => writeImage(Buffer.from('x'), 'train', 'notes.txt'),
      ['train', 'notes.txt'],
      /beside the classes/,
    ],
    ['no test folder', () => rm(file('test'), { recursive: true }), [], /not both train and test/],
  ])('%s is told, with the file', async (_, spoil, names, message) => {
    await spoil();
    const details = await failure(loadData(images()));
    expect(details.message).toMatch(message);
    expect(details.file).toBe(file(...names));
  });
});

describe('resizing', () => {
  const grey = (height: number, width: number, values: readonly number[]) => ({
    height,
    width,
    channels: 1,
    values: Uint8Array.from(values),
  });

  it('takes the mean of what falls together', () => {
    const small = resize(grey(2, 4, [0, 100, 10, 30, 200, 100, 50, 70]), [1, 2]);
    expect([...small.values]).toEqual([100, 40]);
    // Three places into two: (2a + b) / 3 and (b + 2c) / 3.
    expect([...resize(grey(3, 3, [0, 90, 30, 0, 90, 30, 0, 90, 30]), [2, 2]).values]).toEqual([
      30, 50, 30, 50,
    ]);
  });

  it('goes linearly between what lies apart', () => {
    // Centres of the new places at −0.25, 0.25, 0.75 and 1.25 of the old ones.
    expect([...resize(grey(2, 2, [0, 100, 0, 100]), [4, 4]).values.subarray(0, 4)]).toEqual([0, 25, 75, 100]);
  });

  it('cuts in the middle what is too long', () => {
    expect([...resize(grey(1, 3, [1, 50, 99]), [1, 1]).values]).toEqual([50]);
    expect([...resize(grey(2, 4, [9, 10, 30, 9, 9, 50, 70, 9]), [1, 1]).values]).toEqual([40]);
  });
});
