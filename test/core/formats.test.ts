import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSafetensorsHeader, writeSafetensorsHeader } from '../../src/core/checkpoint/safetensors.js';
import { idxHeaderBytes, parseIdxHeader } from '../../src/core/data/idx.js';
import { DcnetError } from '../../src/core/errors.js';

describe('IDX headers', () => {
  const images = Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 1, 0, 99]);

  it('give the sizes', () => {
    expect(idxHeaderBytes(images)).toBe(16);
    expect(parseIdxHeader(images, 3, 'a')).toEqual({
      dimensions: [2, 28, 256],
      headerBytes: 16,
      dataBytes: 2 * 28 * 256,
    });
  });

  it.each([
    ['wrong magic', images.with(0, 1), 3, 'which is not an IDX file'],
    ['floats', images.with(2, 0x0d), 3, 'are of type 0d'],
    ['labels for images', images.with(3, 1), 3, 'has 1 dimensions, but images have 3'],
    ['a cut header', images.subarray(0, 9), 3, 'ends inside its header'],
    ['nearly nothing', images.subarray(0, 3), 3, 'only 3 bytes'],
    ['no images', images.with(7, 0), 3, 'none'],
    ['absurd sizes', images.with(4, 255).with(8, 255), 3, 'which cannot be'],
  ] as const)('refuse %s by name', (_, bytes, rank, message) => {
    expect(() => parseIdxHeader(bytes, rank, 'x.idx')).toThrow(message);
    try {
      parseIdxHeader(bytes, rank, 'x.idx');
    } catch (thrown) {
      expect((thrown as DcnetError).details).toMatchObject({ code: 'data', file: 'x.idx' });
    }
  });
});

describe('safetensors headers', () => {
  const tensor = fc.record({
    name: fc
      .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
      .filter((name) => name !== '__metadata__' && name !== '__proto__'),
    dtype: fc.constantFrom('F32', 'U8', 'I64') as fc.Arbitrary<'F32' | 'U8' | 'I64'>,
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  });
  const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 });
  const size = { F32: 4, U8: 1, I64: 8 };
  const bytes = (all: readonly { dtype: 'F32' | 'U8' | 'I64'; shape: readonly number[] }[]) =>
    all.reduce((sum, { dtype, shape }) => sum + size[dtype] * shape.reduce((a, b) => a * b, 1), 0);

  it('come back as they were written', () => {
    fc.assert(
      fc.property(tensors, fc.string({ unit: 'grapheme' }), (all, note) => {
        const text = writeSafetensorsHeader(all, { note });
        expect(new TextEncoder().encode(text).length).toBe(text.length);
        expect(text.length % 8).toBe(0);
        const header = parseSafetensorsHeader(text, bytes(all), 'a');
        expect(header.metadata).toEqual({ note });
        expect(
          [...header.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })).sort(byName),
        ).toEqual(all.map(({ name, dtype, shape }) => ({ name, dtype, shape })).sort(byName));
      }),
    );
  });

  const good = {
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    b: { dtype: 'U8', shape: [3], data_offsets: [8, 11] },
  };
  it.each([
    ['not JSON', '{', 'not JSON'],
    ['a list', '[]', 'not a JSON object'],
    [
      'a gap',
      JSON.stringify({ ...good, b: { ...good.b, data_offsets: [9, 12] } }),
      'begins at byte 9, but 8 is expected',
    ],
    ['an overlap', JSON.stringify({ ...good, b: { ...good.b, data_offsets: [4, 7] } }), 'begins at byte 4'],
    [
      'a size that does not fit the shape',
      JSON.stringify({ ...good, b: { ...good.b, shape: [4] } }),
      'needs 4',
    ],
    ['an unknown type', JSON.stringify({ a: { ...good.a, dtype: 'F31' } }), 'not valid'],
    ['negative sizes', JSON.stringify({ a: { ...good.a, shape: [-2] } }), 'not valid'],
    ['sizes that overflow', JSON.stringify({ a: { ...good.a, shape: [2 ** 40, 2 ** 40, 0] } }), 'needs 0'],
    [
      'metadata that is not text',
      JSON.stringify({ ...good, __metadata__: { a: 1 } }),
      'not a table of texts',
    ],
    ['bytes left over', JSON.stringify({ a: good.a }), 'end at byte 8, but the file has 11'],
  ])('refuse %s', (_, text, message) => {
    expect(() => parseSafetensorsHeader(text, 11, 'x')).toThrow(message);
    expect(() => parseSafetensorsHeader(text, 11, 'x')).toThrow(DcnetError);
  });
});

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}
