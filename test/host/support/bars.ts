import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const side = 12;
const classes = 4;

/**
 * A data set that a network learns in seconds: noise with a bright bar at one of four sides. Every tenth test image
 * bears a false label, so that a good network has 90 % right, not a suspicious 100 %.
 */
export function writeBars(folder: string, { train = 400, test = 100 } = {}): void {
  mkdirSync(folder, { recursive: true });
  for (const [prefix, count] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const images = Buffer.alloc(count * side * side);
    const labels = Buffer.alloc(count);
    for (let i = 0; i < count; i++) {
      labels[i] = i % classes;
      const shown = prefix === 't10k' && i % 10 === 9 ? (i + 1) % classes : i % classes;
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++)
          images[(i * side + y) * side + x] = isInBar(shown, x, y) ? 200 + (noise() & 31) : noise() & 63;
    }
    writeFileSync(path.join(folder, `${prefix}-images-idx3-ubyte`), idx(images, [count, side, side]));
    writeFileSync(path.join(folder, `${prefix}-labels-idx1-ubyte`), idx(labels, [count]));
  }
}

function isInBar(label: number, x: number, y: number): boolean {
  return [x < 3, x >= side - 3, y < 3, y >= side - 3][label] ?? false;
}

/** Unsigned bytes in the IDX format: a magic number, the dimensions, the values. */
function idx(values: Buffer, dimensions: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 + dimensions.length, 0);
  for (const [i, size] of dimensions.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([header, values]);
}

let state = 12345;
function noise(): number {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state >> 16;
}
