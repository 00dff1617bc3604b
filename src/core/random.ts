import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/** FNV-1a, 32 bits: turns a purpose into a number, so that streams of one seed do not meet. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** The random stream of a purpose (`order of epoch 3`, `kernel of conv1`): depends on the seed and the purpose alone. */
function randomStream(seed: number, purpose: string): RandomGenerator {
  return xoroshiro128plus((hash(purpose) ^ Math.imul(seed, 0x9e3779b1)) | 0);
}

/** A uniformly random order of 0 … count − 1 (Fisher–Yates). */
export function shuffledOrder(count: number, seed: number, purpose: string): Uint32Array {
  const random = randomStream(seed, purpose);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}

/** Normal variates of mean 0 (Box–Muller). */
export function normals(count: number, deviation: number, seed: number, purpose: string): Float32Array {
  const random = randomStream(seed, purpose);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const length = deviation * Math.sqrt(-2 * Math.log(1 - uniformFloat64(random)));
    const angle = 2 * Math.PI * uniformFloat64(random);
    values[i] = length * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = length * Math.sin(angle);
  }
  return values;
}

/** Uniform variates in [low, high). */
export function uniforms(
  count: number,
  low: number,
  high: number,
  seed: number,
  purpose: string,
): Float64Array {
  const random = randomStream(seed, purpose);
  return Float64Array.from({ length: count }, () => low + (high - low) * uniformFloat64(random));
}

/** Uniformly random whole numbers, 0 to `limit` − 1; `limit` at most 65536. */
export function uniformIntegers(count: number, limit: number, seed: number, purpose: string): Uint16Array {
  const random = randomStream(seed, purpose);
  const values = new Uint16Array(count);
  if (limit > 1) for (let i = 0; i < count; i++) values[i] = uniformInt(random, 0, limit - 1);
  return values;
}
