import { createHash } from 'node:crypto';
import { readFile, rename, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { describeData, loadData } from '../../../src/engine/data/dataSet.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { imageTensor, inOrder, labelTensor } from '../../../src/engine/data/images.js';
import { type LocatedAs, locateData } from '../../../src/engine/data/location.js';
import { failure } from '../failure.js';
import { idxBytes, temporaryFolder, writeTinyData } from './tinyData.js';

let folder: string;
let location: LocatedAs<'idx'>;

beforeEach(async () => {
  folder = await temporaryFolder();
  location = locateData({ idx: folder }, '/', 'media') as LocatedAs<'idx'>;
  await writeTinyData(folder);
});

const file = (name: string): string => path.join(folder, name);

describe('a folder of IDX files', () => {
  it('is read as it was written', async () => {
    const data = await loadData(location);
    expect(data.info).toMatchObject({
      shape: [8, 8, 1],
      classes: 4,
      classNames: ['0', '1', '2', '3'],
      trainImages: 60,
      testImages: 20,
    });
    const images = await readFile(file('train-images-idx3-ubyte'));
    expect(Buffer.from(data.train.images as Uint8Array).equals(images.subarray(16))).toBe(true);
    expect([...data.test.labels.subarray(0, 5)]).toEqual([0, 1, 2, 3, 0]);
  });

  it('has the hash of its four files, however they are packed', async () => {
    const hash = createHash('sha256');
    for (const name of ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'])
      hash.update(await readFile(file(`${name}-ubyte`)));
    const plain = await loadData(location);
    expect(plain.sha256).toBe(hash.digest('hex'));

    const packed = await temporaryFolder();
    await writeTinyData(packed, { gzip: true });
    expect((await loadData({ ...location, directory: packed })).sha256).toBe(plain.sha256);
  });

  it('may be named with dots', async () => {
    await rename(file('t10k-labels-idx1-ubyte'), file('t10k-labels.idx1-ubyte'));
    expect((await loadData(location)).test.count).toBe(20);
  });

  it('is described from its headers alone', async () => {
    expect(await describeData(location)).toEqual((await loadData(location)).info);
  });

  it('names its classes by the config, else by labels.txt', async () => {
    await writeFile(file('labels.txt'), 'a\r\nb\nc\nd\n');
    expect((await loadData(location)).info.classNames).toEqual(['a', 'b', 'c', 'd']);
    const named = { ...location, classNames: ['p', 'q', 'r', 's', 't'] };
    expect((await loadData(named)).info).toMatchObject({ classes: 5, classNames: ['p', 'q', 'r', 's', 't'] });
  });

  it('is kept in memory until a file changes', async () => {
    const store = new DataStore();
    const first = await store.load(location);
    expect(await store.load(location)).toBe(first);
    await writeTinyData(folder, { train: 40 });
    expect((await store.load(location)).train.count).toBe(40);
  });
});

describe('what is wrong with a folder of IDX files', () => {
  const images = 'train-images-idx3-ubyte';
  const labels = 't10k-labels-idx1-ubyte';

  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a missing file', () => rename(file(images), file('other')), '', /no file train-images-idx3-ubyte/],
    ['a truncated file', () => truncate(file(images), 1000), images, /cut off/],
    ['a file cut off in its header', () => truncate(file(images), 9), images, /ends inside its header/],
    ['an empty file', () => truncate(file(labels), 0), labels, /too few/],
    [
      'bytes left over',
      async () => writeFile(file(images), Buffer.concat([await readFile(file(images)), Buffer.from([1])])),
      images,
      /goes on after/,
    ],
    [
      'labels in place of images',
      () => writeFile(file(images), idxBytes([5], [0, 1, 2, 3, 4])),
      images,
      /1 dimensions/,
    ],
    [
      'another file format',
      () => writeFile(file(images), 'P5 28 28 255 and so on'),
      images,
      /not an IDX file/,
    ],
    [
      'absurd sizes',
      () => writeFile(file(images), idxBytes([4_000_000_000, 4, 2], [1])),
      images,
      /more than its|cannot be/,
    ],
    [
      'absurd sizes in a gzip file',
      () => writeFile(file(images), gzipSync(idxBytes([60_000, 1000, 1000], [1, 2, 3]))),
      images,
      /more than its/,
    ],
    ['no image', () => writeFile(file(images), idxBytes([0, 8, 8], [])), images, /none/],
    [
      'mismatched counts',
      () => writeFile(file(labels), idxBytes([19], new Array(19).fill(1))),
      labels,
      /19 labels, but t10k-images-idx3-ubyte has 20 images/,
    ],
    [
      'test images of another size',
      () => writeFile(file('t10k-images-idx3-ubyte'), idxBytes([20, 4, 4], new Array(320).fill(0))),
      't10k-images-idx3-ubyte',
      /4×4, but the training images 8×8/,
    ],
    [
      'a class without a name',
      () => writeFile(file('labels.txt'), 'a\nb\n'),
      'train-labels-idx1-ubyte',
      /label 3/,
    ],
    ['one class only', () => writeTinyData(folder, { classes: 1 }), 'train-labels-idx1-ubyte', /same label/],
  ])('%s is told, with the file', async (_, spoil, name, message) => {
    await spoil();
    const details = await failure(loadData(location));
    expect(details.code).toBe('data');
    expect(details.message).toMatch(message);
    expect(details.file).toBe(name === '' ? folder : file(name));
    expect(details.remedy).not.toBe('');
  });

  it('a gzip file that is cut off or garbled', async () => {
    await writeTinyData(folder, { gzip: true });
    for (const name of [images, labels]) await rename(file(name), file(`${name}.old`));
    const packed = `${images}.gz`;
    const whole = await readFile(file(packed));
    await truncate(file(packed), 500);
    expect(await failure(loadData(location))).toMatchObject({ file: file(packed), message: /cut off/ });
    whole.fill(0xff, 200, 230);
    await writeFile(file(packed), whole);
    expect(await failure(loadData(location))).toMatchObject({
      file: file(packed),
      message: /unpacked|cut off|goes on/,
    });
  });

  it('a folder that is not there', async () => {
    const details = await failure(loadData({ ...location, directory: file('nowhere') }));
    expect(details).toMatchObject({ code: 'data', file: file('nowhere'), message: /does not exist/ });
  });
});

describe('the bundled sample', () => {
  it('has 5,000 and 1,000 images in ten balanced classes', async () => {
    const data = await loadData(locateData({ dataset: 'fashion-mnist-sample' }, '/', path.resolve('media')));
    expect(data.info).toMatchObject({ shape: [28, 28, 1], classes: 10, trainImages: 5000, testImages: 1000 });
    for (const [split, each] of [
      [data.train, 500],
      [data.test, 100],
    ] as const)
      for (let label = 0; label < 10; label++)
        expect(split.labels.filter((other) => other === label)).toHaveLength(each);
  });
});

describe('tensors of images', () => {
  beforeAll(() => startBackend('cpu'));

  it('are normalised to (v − 127.5) / 128', () => {
    const images = Uint8Array.from([0, 255, 127, 128, 10, 20, 30, 40]);
    const x = imageTensor(images, [2, 2, 1], [1, 0], { mean: [127.5], scale: [128] });
    expect(x.shape).toEqual([2, 2, 2, 1]);
    const expected = [10, 20, 30, 40, 0, 255, 127, 128].map((v) => Math.fround((v - 127.5) / 128));
    expect([...x.dataSync()]).toEqual(expected);
    const y = labelTensor(Uint8Array.from([3, 1, 2]), [2, 0]);
    expect([y.dtype, ...y.dataSync()]).toEqual(['int32', 2, 3]);
    tf.dispose([x, y]);
  });

  it('are normalised to (v − mean) / scale of their channel', () => {
    const images = Uint8Array.from([0, 1, 2, 253, 254, 255]);
    const x = imageTensor(images, [1, 2, 3], [0], { mean: [121.6, 116.6, 102.7], scale: [1, 2, 4] });
    expect([...x.dataSync()]).toEqual(
      [-121.6, (1 - 116.6) / 2, (2 - 102.7) / 4, 253 - 121.6, (254 - 116.6) / 2, (255 - 102.7) / 4].map(
        Math.fround,
      ),
    );
    x.dispose();
  });

  it('come in order, in batches, up to a limit', () => {
    const split = { count: 7, images: new Uint8Array(), labels: new Uint8Array() };
    expect([...inOrder(split, 3)].map((batch) => [...batch])).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect([...inOrder(split, 3, 4)].map((batch) => [...batch])).toEqual([[0, 1, 2], [3]]);
  });
});
