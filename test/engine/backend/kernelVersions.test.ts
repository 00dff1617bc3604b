import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { expect, test } from 'vitest';
import { randomValues } from '../tensors.js';

/** What our kernels' module exports; the addresses are in the memory it is given. */
type Kernels = Readonly<
  Record<
    'constantFloats' | 'placeConstants' | 'packFilters' | 'convolve' | 'transformFilters' | 'convolveTiles',
    (...numbers: number[]) => number
  >
>;

// Version 20 of Node.js runs relaxed SIMD when it is told to.
setFlagsFromString('--experimental-wasm-relaxed-simd');

const [height, width, channels, filters] = [5, 7, 9, 11];
const xs = randomValues(1, height * width * channels);
const ws = randomValues(2, 9 * channels * filters);

/** A 3×3 convolution with 'same' padding, as sums in float64. */
function expected(): Float64Array {
  const y = new Float64Array(height * width * filters);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      for (let tap = 0; tap < 9; tap++) {
        const [r, c] = [row + Math.floor(tap / 3) - 1, column + (tap % 3) - 1];
        if (r < 0 || r >= height || c < 0 || c >= width) continue;
        for (let channel = 0; channel < channels; channel++)
          for (let f = 0; f < filters; f++)
            y[(row * width + column) * filters + f]! +=
              xs[(r * width + c) * channels + channel]! * ws[(tap * channels + channel) * filters + f]!;
      }
  return y;
}

test.each(['dcnet-kernels.wasm', 'dcnet-kernels-relaxed.wasm'])(
  '%s convolves, with tiles and without',
  (name) => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 2 ** 16, shared: true });
    const bytes = readFileSync(new URL(`../../../dist/wasm/${name}`, import.meta.url));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    const kernels = exports as unknown as Kernels;
    let end = 64;
    const place = (length: number): number => {
      const address = end;
      end += Math.ceil(length / 4) * 16;
      return address;
    };
    const x = place(xs.length);
    const w = place(ws.length);
    const out = place(height * width * filters);
    const panels = place(36 * (channels * 16 + 16));
    const frame = place((height + 5) * (width + 3) * channels + 4);
    const tiles = place(36 * (16 * 12 + 16));
    const products = place(36 * (16 * 16 + 16));
    kernels.placeConstants(place(kernels.constantFloats()));
    new Float32Array(memory.buffer, x, xs.length).set(xs);
    new Float32Array(memory.buffer, w, ws.length).set(ws);
    const found = new Float32Array(memory.buffer, out, height * width * filters);
    const largestError = (): number =>
      expected().reduce((largest, value, at) => Math.max(largest, Math.abs(value - found[at]!)), 0);

    const shape = [1, height, width, channels];
    kernels.packFilters(3, 3, channels, filters, 0, filters, w, panels);
    kernels.convolve(...shape, 1, 1, 3, 3, filters, 1, 1, 1, 1, height, width, x, panels, frame, out);
    expect(largestError()).toBeLessThan(1e-5);

    found.fill(0);
    kernels.transformFilters(channels, filters, filters, 1, 0, 0, filters, w, panels);
    const tiling = [filters, 1, 1, height, width, 16];
    kernels.convolveTiles(...shape, ...tiling, x, panels, frame, tiles, products, out);
    expect(largestError()).toBeLessThan(1e-5);
  },
);
