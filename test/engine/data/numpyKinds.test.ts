import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { describeData, loadData } from '../../../src/engine/data/dataSet.js';
import { locateData } from '../../../src/engine/data/location.js';
import { failure } from '../failure.js';
import { temporaryFolder } from './tinyData.js';

/** Written by numpy 2.4.6: x_train = arange(12) [3, 2, 2], y_train = [0, 1, 2] int64, x_test = 100 + arange(8), y_test = [2, 0]. */
const npz =
  'UEsDBC0AAAAIAAAAIQCaCbEc//////////8LABQAeF90cmFpbi5ucHkBABAAjAAAAAAAAABUAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6CkZApKmjUKtAHuBiYGRiZmFlY+fg5OIGAFBLAwQtAAAACAAAACEA90AS6v//////////CwAUAHlfdHJhaW4ubnB5AQAQAJgAAAAAAAAATAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuBihghNJMUBoAUEsDBC0AAAAIAAAAIQAwSQPc//////////8KABQAeF90ZXN0Lm5weQEAEACIAAAAAAAAAE8AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjoKIKSpo1CrQB7gSklNS8/IzMoGAFBLAwQtAAAACAAAACEAjTBGmv//////////CgAUAHlfdGVzdC5ucHkBABAAggAAAAAAAABGAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC4mBgBQSwECLQMtAAAACAAAACEAmgmxHFQAAACMAAAACwAAAAAAAAAAAAAAgAEAAAAAeF90cmFpbi5ucHlQSwECLQMtAAAACAAAACEA90AS6kwAAACYAAAACwAAAAAAAAAAAAAAgAGRAAAAeV90cmFpbi5ucHlQSwECLQMtAAAACAAAACEAMEkD3E8AAACIAAAACgAAAAAAAAAAAAAAgAEaAQAAeF90ZXN0Lm5weVBLAQItAy0AAAAIAAAAIQCNMEaaRgAAAIIAAAAKAAAAAAAAAAAAAACAAaUBAAB5X3Rlc3QubnB5UEsFBgAAAAAEAAQA4gAAACcCAAAAAA==';

/** Written by numpy.save: arange(24) [2, 2, 2, 3] as uint8; labels [0, 300] of several types, and two that are none. */
const arrays = {
  images:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDIsIDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhc=',
  i8: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAACwBAAAAAAAA',
  u2be: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPnUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAEs',
  i4col:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDEpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAALAEAAA==',
  f4: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPw==',
  negative:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAP//',
};

let folder: string;
const write = (name: string, base64: string): Promise<void> =>
  writeFile(path.join(folder, name), Buffer.from(base64, 'base64'));

beforeEach(async () => {
  folder = await temporaryFolder();
});

describe('an archive of NumPy arrays', () => {
  const located = () => locateData({ npz: 'm.npz' }, folder, 'media');

  it('is read as numpy wrote it', async () => {
    await write('m.npz', npz);
    const data = await loadData(located());
    expect(data.info).toMatchObject({
      name: 'm.npz',
      shape: [2, 2, 1],
      classes: 3,
      trainImages: 3,
      testImages: 2,
    });
    expect([...data.train.images.subarray(0, 12)]).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect([[...data.train.labels], [...data.test.labels]]).toEqual([
      [0, 1, 2],
      [2, 0],
    ]);
    expect(await describeData(located())).toEqual(data.info);
  });

  it('is held in memory when it is compressed, where it has room', async () => {
    await write('m.npz', npz);
    const data = await loadData(located(), { mostInMemory: 0 });
    expect(data.train.images).toBeInstanceOf(Uint8Array);
    expect(data.sha256).toBe((await loadData(located())).sha256);
    // The largest array is y_train, a header of 128 bytes and three numbers of eight.
    vi.spyOn(os, 'totalmem').mockReturnValue(2 * 152);
    expect((await loadData(located())).train.count).toBe(3);
    vi.spyOn(os, 'totalmem').mockReturnValue(2 * 152 - 1);
    expect(await failure(loadData(located()))).toMatchObject({
      code: 'data',
      file: path.join(folder, 'm.npz'),
      message: /y_train\.npy says that it has 152 bytes.*more than may be unpacked/,
      remedy: /numpy\.savez, which does not compress/,
    });
    vi.restoreAllMocks();
  });

  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['cut off', (bytes) => bytes.subarray(0, 300), /cannot be read/],
    [
      'not an archive',
      () => Buffer.from('no archive at all, but some text that is long enough'),
      /cannot be read/,
    ],
    [
      'of other arrays',
      (bytes) => Buffer.from(bytes.toString('latin1').replaceAll('y_test', 'z_test'), 'latin1'),
      /no array y_test, but x_train, y_train, x_test, z_test/,
    ],
    [
      'a bomb by its own words',
      (bytes) => {
        // The central directory's uncompressed size of the first member.
        const at = bytes.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
        bytes.writeUInt32LE(3_000_000_000, at + 24);
        return bytes;
      },
      /3,000,000,000 bytes, packed in [\d,]+: that cannot be/,
    ],
    [
      'of members longer than they say',
      (bytes) => {
        const at = bytes.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
        bytes.writeUInt32LE(130, at + 24);
        return bytes;
      },
      /cannot be read|needs/,
    ],
  ])('that is %s is told', async (_, spoil, message) => {
    await writeFile(path.join(folder, 'm.npz'), spoil(Buffer.from(npz, 'base64')));
    const details = await failure(loadData(located()));
    expect(details).toMatchObject({ code: 'data', message, file: expect.stringContaining('m.npz') });
  });
});

describe('four NumPy arrays', () => {
  const located = (labels: string) =>
    locateData(
      {
        npy: {
          trainImages: 'x.npy',
          trainLabels: `${labels}.npy`,
          testImages: 'x.npy',
          testLabels: `${labels}.npy`,
        },
      },
      folder,
      'media',
    );

  beforeEach(async () => {
    await write('x.npy', arrays.images);
    for (const [name, base64] of Object.entries(arrays)) await write(`${name}.npy`, base64);
  });

  it.each(['i8', 'u2be', 'i4col'])('have colours, and labels of type %s', async (labels) => {
    const data = await loadData(located(labels));
    expect(data.info).toMatchObject({ shape: [2, 2, 3], classes: 301, trainImages: 2 });
    expect([...data.train.images.subarray(12, 18)]).toEqual([12, 13, 14, 15, 16, 17]);
    expect([...data.train.labels]).toEqual([0, 300]);
  });

  it.each<[string, RegExp]>([
    ['f4', /type <f4, not integers/],
    ['negative', /holds -1/],
    ['images', /shape is \[2, 2, 2, 3\]/],
  ])('with labels %s is told', async (labels, message) => {
    const details = await failure(loadData(located(labels)));
    expect(details).toMatchObject({ code: 'data', message, file: path.join(folder, `${labels}.npy`) });
  });
});
