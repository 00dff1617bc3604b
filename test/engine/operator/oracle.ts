import type { AngularName, MagnitudeName, WeightingName } from '../../../src/core/config/operatorSchema.js';

/** Which patches a convolution takes. */
export interface Windows {
  /** [N, H, W, Cin]. */
  readonly xShape: readonly [number, number, number, number];
  /** [K, K, Cin, F]. */
  readonly wShape: readonly [number, number, number, number];
  readonly stride: number;
  readonly padding: 'same' | 'valid';
}

/**
 * The decoupled convolution in float64, loop by loop from the paper's formulas, with the authors' ε = 1e-4 inside
 * both norms. It shares nothing with the product: not even the padding's arithmetic.
 */
export interface Problem extends Windows {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly alpha: number;
  readonly beta: number;
  readonly weighting?: WeightingName | undefined;
  /** B of the square cosine. */
  readonly exponent?: number;
}

export interface Values {
  readonly x: Float64Array;
  readonly w: Float64Array;
  /** One value, or one per filter. */
  readonly radius: Float64Array;
  readonly k: Float64Array;
  /** ρ, one value or one per filter; for the separate weighting. */
  readonly rho?: Float64Array;
}

const epsilon = 1e-4;

export function magnitude(problem: Problem, n: number, R: number): number {
  const { alpha, beta } = problem;
  switch (problem.magnitude) {
    case 'sphere':
      return alpha;
    case 'ball':
      return n < R ? (alpha * n) / R : alpha;
    case 'tanh':
      return (alpha * (1 - Math.exp((-2 * n) / R))) / (1 + Math.exp((-2 * n) / R));
    case 'linear':
      return alpha * n;
    case 'seg':
      return n < R ? alpha * n : alpha * R + beta * (n - R);
    case 'log':
      return alpha * Math.log(1 + n);
    case 'mix':
      return alpha * n + beta * Math.log(1 + n);
  }
}

/** h(‖w‖, ‖x‖): linearly weighted, or the paper's equations 15 and 16 written out. */
export function weighted(problem: Problem, n: number, w: number, R: number, rho = Number.NaN): number {
  const tanh = (z: number): number => (Math.exp(z) - Math.exp(-z)) / (Math.exp(z) + Math.exp(-z));
  switch (problem.weighting) {
    case 'linear':
      return w * magnitude(problem, n, R);
    case 'joint-tanh':
      return problem.alpha * tanh((n * w) / R);
    case 'separate-tanh':
      return problem.alpha * tanh(w / rho) * tanh(n / R);
    default:
      return magnitude(problem, n, R);
  }
}

export function angle(name: AngularName, cosine: number, k: number, exponent = 2): number {
  const theta = Math.acos(Math.max(-1, Math.min(1, cosine)));
  switch (name) {
    case 'linear':
      return 1 - theta / (Math.PI / 2);
    case 'cosine':
      return cosine;
    case 'square-cosine':
      return cosine < 0 ? -((-cosine) ** exponent) : cosine ** exponent;
    case 'sigmoid': {
      // The paper's own form (SphereNet, equation 5).
      const edge = Math.exp(-Math.PI / (2 * k));
      const here = Math.exp(theta / k - Math.PI / (2 * k));
      return (((1 + edge) / (1 - edge)) * (1 - here)) / (1 + here);
    }
  }
}

/** Rows of output, and zero rows before the first. */
export function frame(length: number, kernel: number, stride: number, padding: 'same' | 'valid') {
  if (padding === 'valid') return { out: Math.floor((length - kernel) / stride) + 1, before: 0 };
  const out = Math.ceil(length / stride);
  const needed = Math.max(0, (out - 1) * stride + kernel - length);
  return { out, before: Math.floor(needed / 2) };
}

export function outputShape({ xShape, wShape, stride, padding }: Windows): [number, number, number, number] {
  return [
    xShape[0],
    frame(xShape[1], wShape[0], stride, padding).out,
    frame(xShape[2], wShape[1], stride, padding).out,
    wShape[3],
  ];
}

/** ‖x‖ of each patch, [N, H′, W′], flat. */
export function patchNorms(windows: Windows, x: Float64Array): Float64Array {
  const [batch, height, width, channels] = windows.xShape;
  const [kernelHeight, kernelWidth] = windows.wShape;
  const [, outHeight, outWidth] = outputShape(windows);
  const { stride, padding } = windows;
  const top = frame(height, kernelHeight, stride, padding).before;
  const left = frame(width, kernelWidth, stride, padding).before;
  const norms = new Float64Array(batch * outHeight * outWidth).fill(epsilon);
  // Each value of the input is in the patches whose windows hold it.
  for (const [at, value] of x.entries()) {
    const image = Math.floor(at / (height * width * channels));
    const row = (Math.floor(at / (width * channels)) % height) + top;
    const column = (Math.floor(at / channels) % width) + left;
    for (let i = 0; i < outHeight; i++)
      for (let j = 0; j < outWidth; j++) {
        const [down, along] = [row - i * stride, column - j * stride];
        if (down < 0 || down >= kernelHeight || along < 0 || along >= kernelWidth) continue;
        norms[(image * outHeight + i) * outWidth + j]! += value * value;
      }
  }
  return norms.map(Math.sqrt);
}

/** y [N, H′, W′, F], flat. */
export function decoupled(problem: Problem, { x, w, radius, k, rho }: Values): Float64Array {
  const { stride, padding } = problem;
  const [, height, width, channels] = problem.xShape;
  const [kernelHeight, kernelWidth, , filters] = problem.wShape;
  const [batch, outHeight, outWidth] = outputShape(problem);
  const top = frame(height, kernelHeight, stride, padding).before;
  const left = frame(width, kernelWidth, stride, padding).before;
  const y = new Float64Array(batch * outHeight * outWidth * filters);
  let at = 0;
  for (let image = 0; image < batch; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        for (let filter = 0; filter < filters; filter++) {
          let product = 0;
          let patch = epsilon;
          let weights = epsilon;
          for (let i = 0; i < kernelHeight; i++) {
            for (let j = 0; j < kernelWidth; j++) {
              for (let channel = 0; channel < channels; channel++) {
                const weight = w[((i * kernelWidth + j) * channels + channel) * filters + filter]!;
                weights += weight * weight;
                const inRow = row * stride + i - top;
                const inColumn = column * stride + j - left;
                if (inRow < 0 || inRow >= height || inColumn < 0 || inColumn >= width) continue;
                const value = x[((image * height + inRow) * width + inColumn) * channels + channel]!;
                product += weight * value;
                patch += value * value;
              }
            }
          }
          const n = Math.sqrt(patch);
          const R = radius[radius.length === 1 ? 0 : filter]!;
          const cosine = product / (n * Math.sqrt(weights));
          const h = weighted(problem, n, Math.sqrt(weights), R, rho?.[rho.length === 1 ? 0 : filter]);
          y[at++] = h * angle(problem.angular, cosine, k[k.length === 1 ? 0 : filter]!, problem.exponent);
        }
      }
    }
  }
  return y;
}

/** Gradient of Σ upstream·y to one of the inputs, by central differences. */
export function gradient(
  problem: Problem,
  values: Values,
  upstream: Float64Array,
  to: keyof Values,
): Float64Array {
  const start = values[to]!;
  const loss = (moved: Float64Array): number =>
    decoupled(problem, { ...values, [to]: moved }).reduce(
      (sum, value, index) => sum + value * upstream[index]!,
      0,
    );
  return start.map((value, index) => {
    const step = 1e-6 * Math.max(1, Math.abs(value));
    const moved = (by: number): Float64Array => {
      const copy = start.slice();
      copy[index] = value + by;
      return copy;
    };
    return (loss(moved(step)) - loss(moved(-step))) / (2 * step);
  });
}
