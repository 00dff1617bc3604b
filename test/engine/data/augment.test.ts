import { describe, expect, it } from 'vitest';
import { augmenterOf } from '../../../src/engine/data/augment.js';
import type { ImageBytes } from '../../../src/engine/data/split.js';
import { Batches } from '../../../src/engine/training/batches.js';

const shape = [3, 4, 2] as const;
const size = 24;
const count = 400;
/** Each pixel tells its row, column and channel: 16·row + 4·column + channel. */
const image = Uint8Array.from({ length: size }, (_, i) => {
  const [y, x, channel] = [Math.floor(i / 8), Math.floor(i / 2) % 4, i % 2];
  return 16 * y + 4 * x + channel;
});
const images = Uint8Array.from({ length: count * size }, (_, i) => image[i % size]!);
const everyImage = Uint32Array.from({ length: count }, (_, i) => i);

/** NumPy's np.pad(range(size), border, mode='symmetric'), written out. */
const symmetric: Readonly<Record<string, readonly number[]>> = {
  '3,2': [1, 0, 0, 1, 2, 2, 1],
  '4,2': [1, 0, 0, 1, 2, 3, 3, 2],
};

/** Every image that the padding, the crops and the flip can give. */
function possible(flip: boolean): Set<string> {
  const [rows, columns] = [symmetric['3,2']!, symmetric['4,2']!];
  const all = new Set<string>();
  for (let dy = 0; dy <= 4; dy++)
    for (let dx = 0; dx <= 4; dx++)
      for (const flipped of flip ? [false, true] : [false]) {
        const across = columns.slice(dx, dx + 4);
        if (flipped) across.reverse();
        all.add(
          rows
            .slice(dy, dy + 3)
            .flatMap((y) => across.flatMap((x) => [16 * y + 4 * x, 16 * y + 4 * x + 1]))
            .join(),
        );
      }
  return all;
}

const augment = (options: { mirrorPad: number; flip: boolean }, seed = 1, epoch = 0) =>
  augmenterOf(options, shape, count, seed, epoch).apply(images, everyImage);
const each = (bytes: Uint8Array): string[] =>
  Array.from({ length: bytes.length / size }, (_, i) => bytes.subarray(i * size, (i + 1) * size).join());

describe('augmentation', () => {
  it.each([true, false])('gives every crop of the mirrored border, flipped: %s, and nothing else', (flip) => {
    const seen = each(augment({ mirrorPad: 2, flip }));
    expect(new Set(seen)).toEqual(possible(flip));
  });

  it('flips about half of the images, and only that', () => {
    const seen = each(augment({ mirrorPad: 0, flip: true }));
    const kept = seen.filter((text) => text === image.join()).length;
    expect(new Set(seen).size).toBe(2);
    // Three standard deviations of 400 fair coins are 30.
    expect(Math.abs(kept - count / 2)).toBeLessThan(30);
  });

  it.each([
    [{ mirrorPad: 0, flip: false, crop: [2, 3] }, 2 * 2],
    [{ mirrorPad: 0, flip: true, crop: [2, 3] }, 2 * 2 * 2],
    [{ mirrorPad: 0, flip: false, crop: [3, 4] }, 1],
    // The border of 2 around 3×4: rows 1 0 0 1 2 2 1, columns 1 0 0 1 2 3 3 2.
    [{ mirrorPad: 2, flip: false, crop: [2, 3] }, 6 * 6],
  ] as const)('cuts windows of the crop’s size by %j, each of %i', (options, windows) => {
    const [rows, columns] =
      options.mirrorPad === 2
        ? [symmetric['3,2']!, symmetric['4,2']!]
        : [
            [0, 1, 2],
            [0, 1, 2, 3],
          ];
    const [height, width] = options.crop;
    const expected = new Set<string>();
    for (let dy = 0; dy + height <= rows.length; dy++)
      for (let dx = 0; dx + width <= columns.length; dx++)
        for (const flipped of options.flip ? [false, true] : [false]) {
          const across = columns.slice(dx, dx + width);
          if (flipped) across.reverse();
          const line = (y: number) => across.flatMap((x) => [16 * y + 4 * x, 16 * y + 4 * x + 1]);
          expected.add(
            rows
              .slice(dy, dy + height)
              .flatMap(line)
              .join(),
          );
        }
    expect(expected.size).toBe(windows);
    const bytes = augmenterOf(options, shape, count, 1, 0).apply(images, everyImage);
    const own = height * width * 2;
    expect(bytes).toHaveLength(count * own);
    const seen = Array.from({ length: count }, (_, i) => bytes.subarray(i * own, (i + 1) * own).join());
    expect(new Set(seen)).toEqual(expected);
  });

  it('leaves images as they are where it is to change nothing', () => {
    expect(augment({ mirrorPad: 0, flip: false })).toEqual(images);
  });

  it('depends on seed, epoch and image alone', () => {
    const options = { mirrorPad: 2, flip: true };
    const whole = augment(options);
    expect(augment(options)).toEqual(whole);
    expect(augment(options, 2)).not.toEqual(whole);
    expect(augment(options, 1, 1)).not.toEqual(whole);
    const some = Uint32Array.of(399, 7, 20);
    const apart = augmenterOf(options, shape, count, 1, 0).apply(images.subarray(0, 3 * size), some);
    expect(each(apart)).toEqual([...some].map((index) => each(whole)[index]));
  });
});

describe('batches', () => {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 251);
  const config = { seed: 3, augmentation: { mirrorPad: 1, flip: true } };
  const length = { stepsPerEpoch: 10, totalSteps: 25 };
  const make = (bytes: ImageBytes = images) =>
    new Batches({ split: { count, images: bytes, labels }, shape }, config, length);

  it('are the same from any step on, prepared or not, across epochs', async () => {
    const through = make();
    const whole = [];
    for (let step = 0; step < 25; step++) {
      whole.push(await through.take(step));
      through.prepare(step + 1);
    }
    expect(whole.map(({ labels: of }) => of.length)).toEqual(new Array(25).fill(40));
    for (const step of [9, 10, 24]) expect(await make().take(step)).toEqual(whole[step]);
    const { indices, labels: of } = whole[0]!;
    expect([...of]).toEqual([...indices].map((index) => index % 251));
    // Each epoch has draws of its own.
    for (const step of [0, 10, 20]) {
      const { indices: own, images: seen } = whole[step]!;
      const augmenter = augmenterOf(config.augmentation, shape, count, config.seed, step / 10);
      expect(each(seen)).toEqual([...own].map((index) => each(augmenter.apply(images, everyImage))[index]));
    }
  });

  it('are read ahead once, and a failed reading is told to whoever takes it', async () => {
    let read = 0;
    const batches = make({
      length: images.length,
      subarray(from, to) {
        if (read++ === 40) throw new Error('no such file');
        return images.subarray(from, to);
      },
    });
    await batches.take(0);
    batches.prepare(1);
    batches.prepare(1);
    expect(read).toBe(41);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(batches.take(1)).rejects.toThrow('no such file');
    batches.prepare(25);
    expect(read).toBe(41);
  });

  it('ask a file for all their images at once', async () => {
    const asked: (() => void)[] = [];
    const batches = make({
      length: images.length,
      subarray: images.subarray.bind(images),
      readInto: async (bytes, from) => {
        await new Promise<void>((resolve) => asked.push(resolve));
        bytes.set(images.subarray(from, from + bytes.length));
      },
    });
    batches.prepare(0);
    expect(asked).toHaveLength(40);
    for (const answer of asked.reverse()) answer();
    expect(await batches.take(0)).toEqual(await make(images).take(0));
  });
});
