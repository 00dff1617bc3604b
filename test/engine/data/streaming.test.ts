import { createHash } from 'node:crypto';
import {
  appendFile,
  open as openFile,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DataConfig } from '../../../src/core/config/dataSchema.js';
import { type DataSet, loadData } from '../../../src/engine/data/dataSet.js';
import { FileImages } from '../../../src/engine/data/fileImages.js';
import { locateData } from '../../../src/engine/data/location.js';
import { batchFrom } from '../../../src/engine/data/split.js';
import { failure } from '../failure.js';
import { writeTinyCifar } from './tinyCifar.js';
import { temporaryFolder, writeTinyData } from './tinyData.js';

/** Written by numpy.savez, which stores, of numpy 2.4.6: x_train = arange(36) [3, 2, 2, 3], y_train = [0, 1, 2], x_test = 200 + arange(24), y_test = [2, 0]. */
const npz =
  'UEsDBC0AAAAAAAAAIQBbldG2//////////8LABQAeF90cmFpbi5ucHkBABAApAAAAAAAAACkAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJ3x1MScsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgzLCAyLCAyLCAzKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjUEsDBC0AAAAAAAAAIQD3QBLq//////////8LABQAeV90cmFpbi5ucHkBABAAmAAAAAAAAACYAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxpOCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgzLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAAAAABAAAAAAAAAAIAAAAAAAAAUEsDBC0AAAAAAAAAIQA/YSZs//////////8KABQAeF90ZXN0Lm5weQEAEACYAAAAAAAAAJgAAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDIsIDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIArIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t9QSwMELQAAAAAAAAAhAINP8YL//////////woAFAB5X3Rlc3QubnB5AQAQAJAAAAAAAAAAkAAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICc8aTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgIAAAAAAAAAAAAAAAAAAABQSwECLQMtAAAAAAAAACEAW5XRtqQAAACkAAAACwAAAAAAAAAAAAAAgAEAAAAAeF90cmFpbi5ucHlQSwECLQMtAAAAAAAAACEA90AS6pgAAACYAAAACwAAAAAAAAAAAAAAgAHhAAAAeV90cmFpbi5ucHlQSwECLQMtAAAAAAAAACEAP2EmbJgAAACYAAAACgAAAAAAAAAAAAAAgAG2AQAAeF90ZXN0Lm5weVBLAQItAy0AAAAAAAAAIQCDT/GCkAAAAJAAAAAKAAAAAAAAAAAAAACAAYoCAAB5X3Rlc3QubnB5UEsFBgAAAAAEAAQA4gAAAFYDAAAAAA==';

let folder: string;
const file = (name: string): string => path.join(folder, name);
const located = (data: DataConfig) => locateData(data, folder, 'media');

beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** An array of bytes as numpy.save writes it, format 1.0. */
function npyBytes(shape: readonly number[], values: Uint8Array): Buffer {
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117);
  return Buffer.concat([
    Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]),
    Buffer.from(`${header}\n`),
    values,
  ]);
}

/** Each kind: writes a small set, and says which file training images are in. */
const kinds: readonly (readonly [
  name: string,
  data: DataConfig,
  write: () => Promise<unknown>,
  trainFile: string,
])[] = [
  ['IDX', { idx: '.' }, () => writeTinyData(folder), 'train-images-idx3-ubyte'],
  ['CIFAR-10', { cifar10: '.' }, () => writeTinyCifar(folder, 'cifar10'), 'data_batch_2.bin'],
  ['CIFAR-100', { cifar100: '.', labels: 'fine' }, () => writeTinyCifar(folder, 'cifar100'), 'train.bin'],
  [
    'NumPy files',
    { npy: { trainImages: 'x.npy', trainLabels: 'y.npy', testImages: 'x.npy', testLabels: 'y.npy' } },
    async () => {
      const values = Uint8Array.from({ length: 5 * 3 * 4 }, (_, i) => (i * 37) % 256);
      await writeFile(file('x.npy'), npyBytes([5, 3, 4], values));
      await writeFile(file('y.npy'), npyBytes([5], Uint8Array.from([0, 1, 2, 1, 0])));
    },
    'x.npy',
  ],
  [
    'a stored NumPy archive',
    { npz: 'm.npz' },
    () => writeFile(file('m.npz'), Buffer.from(npz, 'base64')),
    'm.npz',
  ],
];

const whole = ({ images }: DataSet['train']): Buffer => Buffer.from(images.subarray(0, images.length));

describe.each(kinds)('%s that is read from its files', (_, data, write, trainFile) => {
  let memory: DataSet;
  let streamed: DataSet;

  beforeEach(async () => {
    await write();
    memory = await loadData(located(data));
    streamed = await loadData(located(data), { mostInMemory: 0 });
  });

  it('is the same to the last bit', async () => {
    expect({ ...streamed, train: 0, test: 0 }).toEqual({ ...memory, train: 0, test: 0 });
    for (const split of ['train', 'test'] as const) {
      const [held, read] = [memory[split], streamed[split]];
      expect(held.images).toBeInstanceOf(Uint8Array);
      expect(read.images).not.toBeInstanceOf(Uint8Array);
      expect(read.images.length).toBe(held.images.length);
      expect(whole(read).equals(whole(held))).toBe(true);
      expect([read.count, read.labels]).toEqual([held.count, held.labels]);
      // From within an image to within another one.
      const size = held.images.length / held.count;
      const [from, to] = [Math.floor(size / 3), held.images.length - Math.ceil(size / 5)];
      expect(Buffer.from(read.images.subarray(from, to)).equals(held.images.subarray(from, to))).toBe(true);
      const order = Uint32Array.from([held.count - 1, 0, 1, 0]);
      expect(await batchFrom(read, order)).toEqual(await batchFrom(held, order));
    }
  });

  it('is held in memory up to the bytes that its images have', async () => {
    const bytes = memory.train.images.length + memory.test.images.length;
    const load = async (mostInMemory: number) =>
      (await loadData(located(data), { mostInMemory })).train.images instanceof Uint8Array;
    // NumPy arrays are measured with their headers of 128 bytes.
    expect([await load(bytes + 2 * 128), await load(bytes - 1)]).toEqual([true, false]);
  });

  it('tells how far it is, and is given up', async () => {
    const told: (readonly number[])[] = [];
    await loadData(located(data), { mostInMemory: 0, onProgress: (...counts) => void told.push(counts) });
    const images = memory.train.count + memory.test.count;
    expect(told.at(-1)).toEqual([images, images]);
    const reading = loadData(located(data), { mostInMemory: 0, signal: AbortSignal.abort() });
    expect(await failure(reading)).toMatchObject({ code: 'cancelled' });
  });

  it('is refused with the file’s name once the file is cut or written into', async () => {
    const changed = { code: 'data', file: file(trainFile), message: /has changed/, remedy: /begin again/ };
    const all = Uint32Array.from({ length: streamed.train.count }, (_, i) => i);
    const { size, mtime } = await stat(file(trainFile));
    await utimes(file(trainFile), mtime, new Date(mtime.getTime() + 5000));
    expect(await failure(batchFrom(streamed.train, all))).toMatchObject(changed);
    streamed = await loadData(located(data), { mostInMemory: 0 });
    await truncate(file(trainFile), size >> 3);
    expect(await failure(batchFrom(streamed.train, all))).toMatchObject(changed);
    expect(await failure((async () => whole(streamed.train))())).toMatchObject(changed);
  });

  it('is read as it was once its file is deleted', async () => {
    const { images } = await batchFrom(streamed.train, Uint32Array.from([2, 1]));
    await rm(file(trainFile));
    expect((await batchFrom(streamed.train, Uint32Array.from([2, 1]))).images).toEqual(images);
    expect(await failure(loadData(located(data), { mostInMemory: 0 }))).toMatchObject({ code: 'data' });
  });

  // Elsewhere the open files of a process are not listed.
  it.skipIf(process.platform !== 'linux')('gives its files back with the set', async () => {
    const open = async (): Promise<number> => {
      let count = 0;
      for (const name of await readdir('/proc/self/fd'))
        if ((await readlink(`/proc/self/fd/${name}`).catch(() => '')).startsWith(folder)) count++;
      return count;
    };
    const ofStreamed = await open();
    expect(ofStreamed).toBeGreaterThanOrEqual(2);
    memory = await loadData(located(data));
    expect(await open()).toBe(ofStreamed);
    v8.setFlagsFromString('--expose-gc');
    const gc = vm.runInNewContext('gc') as () => void;
    streamed = memory;
    for (let i = 0; i < 50 && (await open()) > 0; i++) {
      gc();
      await delay(10);
    }
    expect(await open()).toBe(0);
  });
});

it('a stored archive is read where numpy wrote it', async () => {
  await writeFile(file('m.npz'), Buffer.from(npz, 'base64'));
  const { train, test } = await loadData(located({ npz: 'm.npz' }), { mostInMemory: 0 });
  expect([...train.images.subarray(0, 36)]).toEqual(Array.from({ length: 36 }, (_, i) => i));
  expect([...test.images.subarray(12, 24)]).toEqual(Array.from({ length: 12 }, (_, i) => 212 + i));
  expect([...train.labels, ...test.labels]).toEqual([0, 1, 2, 2, 0]);
});

// Elsewhere the hole before the bytes would be written to the disk.
it.skipIf(process.platform !== 'linux')('bytes beyond 4 GiB are found', async () => {
  const handle = await openFile(file('large'), 'w');
  await handle.write(Uint8Array.of(1, 2, 3, 4), 0, 4, 5 * 2 ** 30);
  await handle.close();
  const images = new FileImages(file('large'), 16, 5 * 2 ** 30 - 12);
  const from = 5 * 2 ** 30 - 15;
  expect([...images.subarray(from, from + 3)]).toEqual([2, 3, 4]);
  const bytes = new Uint8Array(3);
  await images.readInto(bytes, from);
  expect([...bytes]).toEqual([2, 3, 4]);
});

it('an IDX file that goes on after its images is told', async () => {
  await writeTinyData(folder);
  await appendFile(file('t10k-images-idx3-ubyte'), 'x');
  expect(await failure(loadData(located({ idx: '.' }), { mostInMemory: 0 }))).toMatchObject({
    file: file('t10k-images-idx3-ubyte'),
    message: /goes on after the 1,280 bytes/, // 20 of 8×8
  });
});

describe('what is packed', () => {
  it('is held in memory, beside what is not', async () => {
    await writeTinyData(folder, { gzip: true });
    const name = 't10k-images-idx3-ubyte';
    await writeFile(file(name), gunzipSync(await readFile(file(`${name}.gz`))));
    const data = await loadData(located({ idx: '.' }), { mostInMemory: 0 });
    expect([data.train, data.test].map(({ images }) => images instanceof Uint8Array)).toEqual([true, false]);
    const hash = createHash('sha256');
    for (const part of ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'])
      hash.update(gunzipSync(await readFile(file(`${part}-ubyte.gz`))));
    expect(data.sha256).toBe(hash.digest('hex'));
  });

  it('is refused when it would take more than half of the memory, with what to do', async () => {
    await writeTinyData(folder, { gzip: true });
    // 60 images of 8×8 are 3,840 bytes.
    vi.spyOn(os, 'totalmem').mockReturnValue(7680);
    expect((await loadData(located({ idx: '.' }))).train.count).toBe(60);
    vi.spyOn(os, 'totalmem').mockReturnValue(7679);
    expect(await failure(loadData(located({ idx: '.' })))).toMatchObject({
      code: 'data',
      file: file('train-images-idx3-ubyte.gz'),
      message: /60×8×8 = 3,840 bytes, more than may be unpacked/,
      remedy: /gunzip/,
    });
    // What is not packed is not bounded.
    await writeTinyData(folder);
    expect((await loadData(located({ idx: '.' }))).train.count).toBe(60);
  });
});
