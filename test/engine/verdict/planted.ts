import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { idxBytes } from '../data/tinyData.js';

/**
 * Images whose contrast (a matter of norm: it scales every patch) and shape (a matter of angle) are set apart: a bar
 * on middle grey, whose direction is the class.
 */
export interface BarImage {
  /** Class: the direction is this times 45°. */
  readonly label: number;
  /** Degrees by which the bar is turned off its class's direction. */
  readonly turn: number;
  /** Largest difference from middle grey, as a share of what a byte holds. */
  readonly contrast: number;
  /** Decides the bar's place and its texture. */
  readonly seed: number;
}

export const barSide = 16;
const barClasses = 4;
/** What training images have: more and less than this is out of the ordinary. */
export const usualContrast = [0.3, 0.45] as const;

/** Uniform numbers in [0, 1) (mulberry32). */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bytes [H, W] of an image; middle grey is 127.5, which the product's normalisation brings to 0. */
export function drawBar({ label, turn, contrast, seed }: BarImage): Uint8Array {
  const random = uniform(seed);
  const direction = ((label * 45 + turn) * Math.PI) / 180;
  const [sine, cosine] = [Math.sin(direction), Math.cos(direction)];
  const middle = (barSide - 1) / 2;
  const [x0, y0] = [middle + 3 * (random() - 0.5), middle + 3 * (random() - 0.5)];
  return Uint8Array.from({ length: barSide * barSide }, (_, i) => {
    const [x, y] = [(i % barSide) - x0, Math.floor(i / barSide) - y0];
    const across = Math.abs(x * sine - y * cosine);
    const along = Math.abs(x * cosine + y * sine);
    const inBar = Math.max(0, Math.min(1, 2 - across)) * Math.max(0, Math.min(1, 7 - along));
    const texture = 0.24 * (random() - 0.5);
    return Math.round(127.5 + 127.5 * contrast * Math.max(-1, Math.min(1, inBar * 0.9 + texture)));
  });
}

/** Ordinary images of all classes: usual contrast, direction within some degrees. */
export function usualBars(count: number, seed: number): BarImage[] {
  const random = uniform(seed);
  return Array.from({ length: count }, (_, i) => ({
    label: i % barClasses,
    turn: 16 * (random() - 0.5),
    contrast: usualContrast[0] + (usualContrast[1] - usualContrast[0]) * random(),
    seed: seed * 100_003 + i,
  }));
}

/** Out of the ordinary: a third in contrast, a third in shape, a third in both. */
export function plantedBars(count: number, seed: number): BarImage[] {
  const random = uniform(seed);
  return usualBars(count, seed).map((bar, i) => {
    const strange = random() < 0.65 ? 0.015 + 0.13 * random() : 0.75 + 0.25 * random();
    const turn = (random() < 0.5 ? -1 : 1) * (12 + 26 * random());
    return {
      ...bar,
      ...(i % 3 === 1 ? {} : { contrast: strange }),
      ...(i % 3 === 0 ? {} : { turn }),
    };
  });
}

/** Write the four IDX files. */
export async function writeBars(
  directory: string,
  train: readonly BarImage[],
  test: readonly BarImage[],
): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, bars] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const images = bars.flatMap((bar) => [...drawBar(bar)]);
    await writeFile(
      path.join(directory, `${name}-images-idx3-ubyte`),
      idxBytes([bars.length, barSide, barSide], images),
    );
    await writeFile(
      path.join(directory, `${name}-labels-idx1-ubyte`),
      idxBytes(
        [bars.length],
        bars.map(({ label }) => label),
      ),
    );
  }
}
