import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { imageFileTensor, readImageFile } from '../../../src/engine/data/imageFile.js';
import { parseNpy } from '../../../src/engine/data/npy.js';
import { idxBytes, temporaryFolder } from './tinyData.js';

/** As numpy.save writes it. */
function npy(header: string, data: Uint8Array, version = 1): Buffer {
  const prefix = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]);
  const padded = `${header.padEnd(118 - prefix.length - 1)}\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(padded.length);
  else length.writeUInt32LE(padded.length);
  return Buffer.concat([prefix, length, Buffer.from(padded), data]);
}
const header = (descr: string, shape: string, order = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

describe('a NumPy array of images', () => {
  it('is read as uint8 or float32, with or without channels', () => {
    const pixels = Uint8Array.from([1, 2, 3, 4, 250, 255]);
    expect(parseNpy(npy(header('|u1', '(1, 2, 3)'), pixels), 'a.npy')).toEqual({
      shape: [1, 2, 3],
      values: pixels,
    });
    const floats = new Float32Array([0, 1.5, 254.25, 255]);
    const bytes = new Uint8Array(floats.buffer);
    for (const version of [1, 2, 3])
      expect(parseNpy(npy(header('<f4', '(1, 2, 1, 2)', 'False'), bytes, version), 'a.npy')).toEqual({
        shape: [1, 2, 1, 2],
        values: floats,
      });
  });

  it.each<[string, Buffer, RegExp]>([
    ['is not one', Buffer.from('NUMPY array'), /not a NumPy array/],
    ['is of an unknown version', npy(header('|u1', '(1, 1, 1)'), new Uint8Array(1), 9), /format 9/],
    [
      'is cut off in its header',
      npy(header('|u1', '(1, 1, 1)'), new Uint8Array(1)).subarray(0, 60),
      /inside its header/,
    ],
    ['has another type', npy(header('<f8', '(1, 1, 1)'), new Uint8Array(8)), /type <f8/],
    ['is big-endian', npy(header('>f4', '(1, 1, 1)'), new Uint8Array(4)), /type >f4/],
    ['is in Fortran order', npy(header('|u1', '(1, 1, 1)', 'True'), new Uint8Array(1)), /Fortran/],
    ['is no list of images', npy(header('|u1', '(4,)'), new Uint8Array(4)), /shape is \[4\]/],
    ['is empty', npy(header('|u1', '(0, 2, 2)'), new Uint8Array(0)), /shape is \[0, 2, 2\]/],
    ['is cut off', npy(header('|u1', '(2, 2, 2)'), new Uint8Array(7)), /needs 8 bytes, but the file has 7/],
    ['goes on', npy(header('|u1', '(1, 2, 2)'), new Uint8Array(5)), /needs 4 bytes, but the file has 5/],
    ['has absurd sizes', npy(header('|u1', '(999999999, 999999999, 9999)'), new Uint8Array(5)), /needs/],
    ['holds NaN', npy(header('<f4', '(1, 1, 1)'), new Uint8Array([0, 0, 0xc0, 0x7f])), /NaN/],
    [
      'holds no pixel values',
      npy(header('<f4', '(1, 1, 1)'), new Uint8Array(new Float32Array([-1]).buffer)),
      /-1/,
    ],
  ])('that %s is told', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(
      expect.objectContaining({
        details: expect.objectContaining({
          code: 'data',
          file: 'a.npy',
          message: expect.stringMatching(message),
        }),
      }),
    );
  });
});

describe('an image file', () => {
  beforeAll(() => startBackend('cpu'));

  it('is IDX or NumPy, told by its first bytes, and normalised the same way', async () => {
    const folder = await temporaryFolder();
    const pixels = [0, 64, 128, 255, 1, 2, 3, 4];
    await writeFile(path.join(folder, 'a'), idxBytes([2, 2, 2], pixels));
    await writeFile(path.join(folder, 'b'), npy(header('|u1', '(2, 2, 2)'), Uint8Array.from(pixels)));
    for (const name of ['a', 'b']) {
      const images = await readImageFile(path.join(folder, name));
      expect(images).toMatchObject({ count: 2, shape: [2, 2, 1] });
      const x = imageFileTensor(images, 1, 2, { mean: [127.5], scale: [128] });
      expect([...x.dataSync()]).toEqual([1, 2, 3, 4].map((v) => Math.fround((v - 127.5) / 128)));
      x.dispose();
    }
    await expect(readImageFile(path.join(folder, 'c'))).rejects.toMatchObject({ details: { code: 'data' } });
  });
});
