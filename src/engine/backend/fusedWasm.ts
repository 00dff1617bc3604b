import type * as tf from '@tensorflow/tfjs-core';
import { backend_util, registerKernel, util } from '@tensorflow/tfjs-core';
import type { AveragesAttributes } from '../layers/runningAverage.js';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';
import type { FusedKernel } from '../operator/fusedKernels.js';
import type { Window } from '../operator/patchNorms.js';
import { registerProjectionAndNorms } from '../operator/projection.js';
import type { AdamAttributes } from '../training/adamStep.js';
import { functionCodes } from './functionCodes.js';
import { type Call, scratchAt } from './kernelCalls.js';
import { type KernelModule, leastOf, type Stretch, sharesOf } from './kernelModule.js';

export type Inputs = Readonly<Record<string, tf.TensorInfo>>;
type Shape4D = [number, number, number, number];

/** Register one of our kernels for the wasm backend. */
export function registerFused<A>(
  module: KernelModule,
  name: FusedKernel,
  kernel: (inputs: Inputs, attributes: A) => tf.TensorInfo[],
): void {
  registerKernel({
    kernelName: name,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      // A tensor of another backend is moved here when it is first asked for, which may move all the memory: do it
      // before anything looks into it.
      for (const input of Object.values(inputs)) module.address(input as tf.TensorInfo);
      return kernel(inputs as Inputs, attrs as unknown as A);
    },
  });
}

/** Register our own kernels for the wasm backend, but for that of a whole convolution. */
export function registerFusedKernels(module: KernelModule): void {
  const register = <A>(name: FusedKernel, kernel: (inputs: Inputs, attributes: A) => tf.TensorInfo[]): void =>
    registerFused(module, name, kernel);
  register('DecoupledProduct', (inputs, functions: OperatorFunctions) => product(module, inputs, functions));
  register('DecoupledProductGradient', (inputs, functions: OperatorFunctions) =>
    productGradient(module, inputs, functions),
  );
  register('NormalizeFilters', (inputs, { epsilon }: { epsilon: number }) =>
    normalizeFilters(module, inputs, epsilon),
  );
  register('NormalizeFiltersGradient', (inputs) => normalizeFiltersGradient(module, inputs));
  register('PatchNorms', (inputs, attributes: Window & { epsilon: number }) =>
    patchNorms(module, inputs, attributes),
  );
  register('PatchNormsGradient', (inputs, window: Window) => patchNormsGradient(module, inputs, window));
  registerProjectionAndNorms('wasm');
  register('BatchNormalization', (inputs, attributes: { epsilon: number; relu: boolean }) =>
    batchNormalization(module, inputs, attributes),
  );
  register('BatchNormalizationGradient', (inputs, attributes: { relu: boolean }) =>
    batchNormalizationGradient(module, inputs, attributes),
  );
  register('ChannelAffine', (inputs, { relu }: { relu: boolean }) => channelAffine(module, inputs, relu));
  register('BatchRadius', (inputs) => batchRadius(module, inputs));
  register('BatchRadiusGradient', (inputs) => batchRadiusGradient(module, inputs));
  register('RunningAverages', (inputs, attributes: AveragesAttributes) =>
    runningAverages(module, inputs, attributes),
  );
  register('AdamStep', (inputs, attributes: AdamAttributes) => adamStep(module, inputs, attributes));
}

const filledUp = (length: number): number => (length + 3) & ~3;

/** What the kernels take of an operator's functions. */
function codes(functions: OperatorFunctions): number[] {
  return [...functionCodes(functions), functions.alpha, functions.beta];
}

const parameterRows = 5;

/** Floats of the table that {@link writeParameters} fills. */
export const parameterFloats = (filters: number): number => parameterRows * filledUp(filters);

/**
 * Write R, 1/R and what the sigmoid needs of k, one value per filter each, filled up with ones. The square cosine's
 * exponent, a constant, stands where k would be.
 */
export function writeParameters(
  module: KernelModule,
  { radius, k }: Inputs,
  { exponent }: OperatorFunctions,
  filters: number,
  to: number,
): void {
  const row = filledUp(filters);
  const table = module.view(to, parameterRows * row).fill(1);
  const radii = radius === undefined ? undefined : module.values(radius);
  const ks = k === undefined ? undefined : module.values(k);
  if (exponent !== undefined && k === undefined) table.fill(exponent, 2 * row, 3 * row);
  for (let filter = 0; filter < filters; filter++) {
    if (radii !== undefined) {
      const value = radii[radii.length === 1 ? 0 : filter]!;
      table[filter] = value;
      table[row + filter] = 1 / value;
    }
    if (ks !== undefined) {
      const value = ks[ks.length === 1 ? 0 : filter]!;
      const full = Math.tanh(Math.PI / (4 * value));
      table[2 * row + filter] = 1 / (2 * value);
      table[3 * row + filter] = 1 / full;
      table[4 * row + filter] = ((Math.PI / 4) * (1 - full * full)) / (value * value * full);
    }
  }
}

function product(module: KernelModule, inputs: Inputs, functions: OperatorFunctions): tf.TensorInfo[] {
  const { projection, norms } = inputs as Record<'projection' | 'norms', tf.TensorInfo>;
  const filters = projection.shape[3]!;
  const out = module.output(projection.shape);
  module.withScratch(parameterFloats(filters), (parameters) => {
    writeParameters(module, inputs, functions, filters, parameters);
    inStretches(module, util.sizeFromShape(norms.shape), filters, ({ first, count }, at) => {
      const places = {
        projection: at(projection),
        norms: module.address(norms) + 4 * first,
        parameters,
        affine: [0, 0, 0],
        out: at(out),
      };
      return productCall(functions, count, filters, places);
    });
  });
  return [out];
}

/** Addresses of what a product takes. */
interface ProductPlaces {
  /** [rows, filters]; may lie where the output does. */
  readonly projection: number;
  /** [rows]. */
  readonly norms: number;
  /** From {@link writeParameters}. */
  readonly parameters: number;
  /** Slope and shift of a batch normalisation, and whether 0 cuts it; 0: the bare product. */
  readonly affine: readonly number[];
  readonly out: number;
}

/** h·g of some rows. */
export function productCall(
  functions: OperatorFunctions,
  rows: number,
  filters: number,
  { projection, norms, parameters, affine, out }: ProductPlaces,
): Call {
  const kTable = parameters + 2 * filledUp(filters) * 4;
  const tables = [parameters, kTable, ...affine];
  return ['productForward', rows, filters, ...codes(functions), projection, norms, ...tables, out];
}

/**
 * Run a kernel over stretches of rows of so many values.
 * @param call gets a stretch, and where it lies in a tensor of such rows
 */
function inStretches(
  module: KernelModule,
  rows: number,
  values: number,
  call: (rows: Stretch, at: (tensor: tf.TensorInfo) => number) => Call,
): void {
  const parts = module.stretchesOf(rows, leastOf(values));
  module.run(parts.map((part) => [call(part, (tensor) => module.address(tensor) + 4 * part.first * values)]));
}

/** Gradients to the projection, the norms and, where given, R and k, in this order. */
function productGradient(
  module: KernelModule,
  inputs: Inputs,
  functions: OperatorFunctions,
): tf.TensorInfo[] {
  const { projection, norms, dy } = inputs as Record<'projection' | 'norms' | 'dy', tf.TensorInfo>;
  const { radius, k } = inputs;
  const filters = projection.shape[3]!;
  const byProjection = module.output(projection.shape);
  const byNorms = module.output(norms.shape);
  const outputs = [byProjection, byNorms];
  const row = filledUp(filters);
  const parts = sharesOf(util.sizeFromShape(norms.shape), leastOf(filters));
  const table = parameterFloats(filters);
  module.withScratch(table + parts.length * 4 * row, (parameters) => {
    writeParameters(module, inputs, functions, filters, parameters);
    const sums = parameters + 4 * table;
    module.view(sums, parts.length * 4 * row).fill(0);
    module.run(
      parts.map(({ first, count }, part) => {
        const at = (tensor: tf.TensorInfo) => module.address(tensor) + 4 * first * filters;
        const atNorm = (tensor: tf.TensorInfo) => module.address(tensor) + 4 * first;
        return [
          [
            'productBackward',
            ...[count, filters, ...codes(functions), at(projection), atNorm(norms)],
            ...[parameters, parameters + 2 * row * 4, at(dy), at(byProjection), atNorm(byNorms)],
            sums + part * 16 * row,
          ],
        ];
      }),
    );
    // Of each part: what was not yet added up, then the sums, to R and to k.
    const written = module.view(sums, parts.length * 4 * row).slice();
    const totals = (place: number) =>
      Float32Array.from({ length: filters }, (_, f) =>
        parts.reduce((sum, _, part) => sum + written[(part * 4 + place) * row + f]!, 0),
      );
    if (radius !== undefined) outputs.push(summedTo(module, totals(2), radius));
    if (k !== undefined) outputs.push(summedTo(module, totals(3), k));
  });
  return outputs;
}

/** Sums per filter as a gradient of a parameter's shape: [F], or [1] where all filters share it. */
function summedTo(module: KernelModule, perFilter: Float32Array, parameter: tf.TensorInfo): tf.TensorInfo {
  const gradient = module.output(parameter.shape);
  const values = module.values(gradient);
  if (values.length === perFilter.length) values.set(perFilter);
  else values[0] = perFilter.reduce((sum, value) => sum + value, 0);
  return gradient;
}

/** Sizes as the patch norm kernels take them, and the floats of scratch they need. */
export function windowSizes(shape: readonly number[], { kernel, stride, padding }: Window) {
  const { batchSize, inHeight, inWidth, inChannels, padInfo, outHeight, outWidth } =
    backend_util.computePool2DInfo([...shape] as Shape4D, kernel, stride, 1, padding);
  return {
    sizes: [batchSize, inHeight, inWidth, inChannels, kernel, stride, padInfo.top, padInfo.left],
    outHeight,
    outWidth,
    outShape: [batchSize, outHeight, outWidth, 1],
    scratch: inHeight * inWidth + inWidth + 2 * kernel + 8,
  };
}

function patchNorms(
  module: KernelModule,
  { x }: Inputs,
  { epsilon, ...window }: Window & { epsilon: number },
): tf.TensorInfo[] {
  const { sizes, outHeight, outWidth, outShape, scratch } = windowSizes(x!.shape, window);
  const out = module.output(outShape);
  const [images, ...sizesOfImage] = sizes as [number, ...number[]];
  const values = util.sizeFromShape(x!.shape.slice(1));
  module.run(
    module.stretchesOf(images, leastOf(values)).map(({ first, count }) => {
      const from = module.address(x!) + 4 * first * values;
      const to = module.address(out) + 4 * first * outHeight * outWidth;
      return [['patchNorms', count, ...sizesOfImage, outHeight, outWidth, epsilon, from, scratchAt, to]];
    }),
    scratch,
  );
  return [out];
}

/** dL/dx by the norms; with `sum` among the inputs added to it, in its memory. */
function patchNormsGradient(module: KernelModule, inputs: Inputs, window: Window): tf.TensorInfo[] {
  const { x, norms, dn } = inputs as Record<'x' | 'norms' | 'dn', tf.TensorInfo>;
  const { sum } = inputs;
  const { sizes, outHeight, outWidth, scratch } = windowSizes(x.shape, window);
  const dx = sum === undefined ? module.output(x.shape) : module.share(sum);
  const [images, ...sizesOfImage] = sizes as [number, ...number[]];
  const values = util.sizeFromShape(x.shape.slice(1));
  module.run(
    module.stretchesOf(images, leastOf(values)).map(({ first, count }) => {
      const at = (tensor: tf.TensorInfo) => module.address(tensor) + 4 * first * values;
      const atNorm = (tensor: tf.TensorInfo) => module.address(tensor) + 4 * first * outHeight * outWidth;
      return [
        [
          'patchNormsGradient',
          ...[count, ...sizesOfImage, outHeight, outWidth, at(x), atNorm(norms), atNorm(dn)],
          ...[scratchAt, Number(sum !== undefined), at(dx)],
        ],
      ];
    }),
    scratch,
  );
  return [dx];
}

/** [x] as rows of channels. */
function rowsOf(x: tf.TensorInfo): [rows: number, channels: number] {
  const channels = x.shape.at(-1)!;
  return [util.sizeFromShape(x.shape) / channels, channels];
}

/** y, and each channel's mean, variance and 1/σ. */
function batchNormalization(
  module: KernelModule,
  inputs: Inputs,
  { epsilon, relu }: { epsilon: number; relu: boolean },
): tf.TensorInfo[] {
  const { x, gamma, beta } = inputs as Record<'x' | 'gamma' | 'beta', tf.TensorInfo>;
  const [rows, channels] = rowsOf(x);
  const y = module.output(x.shape);
  const statistics = [1, 2, 3].map(() => module.output([channels]));
  const row = filledUp(channels);
  const parts = sharesOf(rows, leastOf(channels));
  module.withScratch((2 + 2 * parts.length) * row, (scratch) => {
    const momentsAt = scratch + 8 * row;
    module.run(
      parts.map(({ first, count }, part) => {
        const from = module.address(x) + 4 * first * channels;
        const to = momentsAt + 8 * part * row;
        return [['channelMoments', count, channels, from, to, to + 4 * row]];
      }),
    );
    const table = module.view(scratch, 2 * row);
    const moments = combinedMoments(module.view(momentsAt, 2 * parts.length * row), parts, channels);
    const [means, variances, inverses] = statistics.map((tensor) => module.values(tensor));
    const scales = module.values(gamma);
    const shifts = module.values(beta);
    for (let c = 0; c < channels; c++) {
      const { mean, variance } = moments[c]!;
      const inverse = 1 / Math.sqrt(variance + epsilon);
      means![c] = mean;
      variances![c] = variance;
      inverses![c] = inverse;
      table[c] = scales[c]! * inverse;
      table[row + c] = shifts[c]! - mean * scales[c]! * inverse;
    }
    inStretches(module, rows, channels, ({ count }, at) => [
      'channelAffine',
      ...[count, channels, at(x), scratch, scratch + 4 * row, Number(relu), at(y)],
    ]);
  });
  return [y, ...statistics];
}

/**
 * ⟨a, b⟩ of each filter, with tables of zeros and ones of a filter's number for what follows.
 * @param a, b [values, filters]
 */
function withFilterProducts(
  module: KernelModule,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  use: (products: Float64Array, zeros: number, tables: (number: 0 | 1) => number) => void,
): void {
  const [values, filters] = rowsOf(a);
  const row = filledUp(filters);
  const parts = sharesOf(values, leastOf(filters));
  module.withScratch((4 + 2 * parts.length) * row, (zeros) => {
    module.view(zeros, row).fill(0);
    const ones = zeros + 4 * row;
    module.view(ones, row).fill(1);
    const sumsAt = zeros + 16 * row;
    // Σ dy·(x − mean)·inverse of a batch normalisation, of means 0.
    module.run(
      parts.map(({ first, count }, part) => {
        const [x, dy] = [a, b].map((tensor) => module.address(tensor) + 4 * first * filters) as [
          number,
          number,
        ];
        const to = sumsAt + 8 * part * row;
        return [['normalizationSums', count, filters, x, x, dy, 0, zeros, ones, to, to + 4 * row]];
      }),
    );
    const sums = module.view(sumsAt, 2 * parts.length * row);
    const products = Float64Array.from({ length: filters }, (_, f) =>
      parts.reduce((sum, _, part) => sum + sums[(2 * part + 1) * row + f]!, 0),
    );
    use(products, zeros, (number) => zeros + 4 * row * (2 + number));
  });
}

/** ŵ = w/n and n = √(‖w‖² + ε), [filters]. */
function normalizeFilters(module: KernelModule, { w }: Inputs, epsilon: number): tf.TensorInfo[] {
  const [values, filters] = rowsOf(w!);
  const unit = module.output(w!.shape);
  const norms = module.output([filters]);
  withFilterProducts(module, w!, w!, (squares, zeros, tables) => {
    const inverse = tables(0);
    const [norm, factor] = [module.values(norms), module.view(inverse, filters)];
    for (let f = 0; f < filters; f++) {
      norm[f] = Math.sqrt(squares[f]! + epsilon);
      factor[f] = 1 / norm[f]!;
    }
    inStretches(module, values, filters, ({ count }, at) => [
      'channelAffine',
      ...[count, filters, at(w!), inverse, zeros, 0, at(unit)],
    ]);
  });
  return [unit, norms];
}

/** dw = (dŵ − w·⟨w, dŵ⟩/n²)/n. */
function normalizeFiltersGradient(module: KernelModule, inputs: Inputs): tf.TensorInfo[] {
  const { w, norms, dy } = inputs as Record<'w' | 'norms' | 'dy', tf.TensorInfo>;
  const [values, filters] = rowsOf(w);
  const dw = module.output(w.shape);
  withFilterProducts(module, w, dy, (inner, zeros, tables) => {
    const [slope, tilt] = [tables(0), tables(1)];
    const [slopes, tilts] = [module.view(slope, filters), module.view(tilt, filters)];
    const norm = module.values(norms);
    for (let f = 0; f < filters; f++) {
      slopes[f] = 1 / norm[f]!;
      tilts[f] = inner[f]! / norm[f]! ** 2;
    }
    inStretches(module, values, filters, ({ count }, at) => [
      'normalizationGradient',
      ...[count, filters, at(w), at(w), at(dy), 0, zeros, slope, zeros, tilt, at(dw)],
    ]);
  });
  return [dw];
}

interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/**
 * Each channel's mean and variance from those of the parts (Chan, Golub and LeVeque, 1979).
 * @param moments [parts, mean and variance, channels filled up]
 */
function combinedMoments(
  moments: Float32Array,
  parts: readonly Stretch[],
  channels: number,
): readonly Moments[] {
  const row = filledUp(channels);
  return Array.from({ length: channels }, (_, c) => {
    let mean = 0;
    let squares = 0;
    let rows = 0;
    for (const [part, { count }] of parts.entries()) {
      const apart = moments[2 * part * row + c]! - mean;
      const all = rows + count;
      squares += count * moments[(2 * part + 1) * row + c]! + (apart * apart * count * rows) / all;
      mean += (apart * count) / all;
      rows = all;
    }
    return { mean: Math.fround(mean), variance: squares / rows };
  });
}

/** dx, dγ, dβ. */
function batchNormalizationGradient(
  module: KernelModule,
  inputs: Inputs,
  { relu }: { relu: boolean },
): tf.TensorInfo[] {
  const { x, y, dy, gamma, mean, inverse } = inputs as Record<
    'x' | 'y' | 'dy' | 'gamma' | 'mean' | 'inverse',
    tf.TensorInfo
  >;
  const [rows, channels] = rowsOf(x);
  const dx = module.output(x.shape);
  const byGamma = module.output([channels]);
  const byBeta = module.output([channels]);
  const row = filledUp(channels);
  const parts = sharesOf(rows, leastOf(channels));
  module.withScratch((5 + 2 * parts.length) * row, (scratch) => {
    const [means, inverses, slopes, meansDy, tilts] = [0, 1, 2, 3, 4].map(
      (index) => scratch + 4 * row * index,
    );
    const table = (at: number | undefined) => module.view(at!, row);
    table(means).set(module.values(mean));
    table(inverses).set(module.values(inverse));
    const sumsAt = scratch + 20 * row;
    const sizesOf = (count: number, at: (tensor: tf.TensorInfo) => number) => [
      ...[count, channels, at(x), at(y), at(dy), Number(relu), means!],
    ];
    module.run(
      parts.map(({ first, count }, part) => {
        const at = (tensor: tf.TensorInfo) => module.address(tensor) + 4 * first * channels;
        const to = sumsAt + 8 * part * row;
        return [['normalizationSums', ...sizesOf(count, at), inverses!, to, to + 4 * row]];
      }),
    );
    const sums = module.view(sumsAt, 2 * parts.length * row);
    const total = (place: number, c: number) =>
      parts.reduce((sum, _, part) => sum + sums[(2 * part + place) * row + c]!, 0);
    const scales = module.values(gamma);
    const [scaleSums, shiftSums] = [module.values(byGamma), module.values(byBeta)];
    for (let c = 0; c < channels; c++) {
      const inverseOf = table(inverses)[c]!;
      scaleSums[c] = total(1, c);
      shiftSums[c] = total(0, c);
      table(slopes)[c] = scales[c]! * inverseOf;
      table(meansDy)[c] = shiftSums[c]! / rows;
      table(tilts)[c] = (scaleSums[c]! / rows) * inverseOf;
    }
    inStretches(module, rows, channels, ({ count }, at) => [
      'normalizationGradient',
      ...[...sizesOf(count, at), slopes!, meansDy!, tilts!, at(dx)],
    ]);
  });
  return [dx, byGamma, byBeta];
}

/** x·slope + shift per channel. */
function channelAffine(module: KernelModule, inputs: Inputs, relu: boolean): tf.TensorInfo[] {
  const { x, slope, shift } = inputs as Record<'x' | 'slope' | 'shift', tf.TensorInfo>;
  const [rows, channels] = rowsOf(x);
  const out = module.output(x.shape);
  const parameters = [module.address(slope), module.address(shift), Number(relu)];
  inStretches(module, rows, channels, ({ count }, at) => [
    'channelAffine',
    ...[count, channels, at(x), ...parameters, at(out)],
  ]);
  return [out];
}

/** R = ρ·E‖x‖, and E‖x‖. */
function batchRadius(module: KernelModule, inputs: Inputs): tf.TensorInfo[] {
  const { norms, rho } = inputs as Record<'norms' | 'rho', tf.TensorInfo>;
  const radius = module.output(rho.shape);
  const mean = module.output([]);
  const all = module.values(norms);
  let sum = 0;
  for (let i = 0; i < all.length; i++) sum += all[i]!;
  module.values(mean)[0] = sum / all.length;
  const factor = module.values(mean)[0]!;
  const factors = module.values(rho);
  module.values(radius).forEach((_, f, values) => {
    values[f] = factors[f]! * factor;
  });
  return [radius, mean];
}

/** Of dR to each norm and to ρ. */
function batchRadiusGradient(module: KernelModule, inputs: Inputs): tf.TensorInfo[] {
  const { norms, rho, mean, dy } = inputs as Record<'norms' | 'rho' | 'mean' | 'dy', tf.TensorInfo>;
  const byNorms = module.output(norms.shape);
  const byRho = module.output(rho.shape);
  const [factor] = module.values(mean);
  const factors = module.values(rho);
  const upstream = module.values(dy);
  let share = 0;
  module.values(byRho).forEach((_, f, values) => {
    share += upstream[f]! * factors[f]!;
    values[f] = upstream[f]! * factor!;
  });
  const each = module.values(byNorms);
  each.fill(share / each.length);
  return [byNorms, byRho];
}

/** The weight of zero-debiased averages and the averages after a step. */
function runningAverages(
  module: KernelModule,
  inputs: Inputs,
  { count, decay }: AveragesAttributes,
): tf.TensorInfo[] {
  const nextWeight = module.output([]);
  const share = 1 - decay;
  module.values(nextWeight)[0] = module.values(inputs.weight!)[0]! * decay + share;
  const rate = share / module.values(nextWeight)[0]!;
  const averages = Array.from({ length: count }, (_, i) => {
    const before = inputs[`average${i}`]!;
    const next = module.output(before.shape);
    const [averages, values] = [module.values(before), module.values(inputs[`value${i}`]!)];
    module.values(next).forEach((_, c, to) => {
      to[c] = averages[c]! + (values[c]! - averages[c]!) * rate;
    });
    return next;
  });
  return [nextWeight, ...averages];
}

/** A step of Adam of all weights: the new values, then the first and the second moments. */
function adamStep(
  module: KernelModule,
  inputs: Inputs,
  { count, beta1, beta2, epsilon }: AdamAttributes,
): tf.TensorInfo[] {
  const number = (name: string): number => module.values(inputs[name]!)[0]!;
  const rates = [beta1, beta2, epsilon, number('learningRate'), 1 - number('power1'), 1 - number('power2')];
  const tasks: Call[][] = [];
  const weights = Array.from({ length: count }, (_, i) => {
    const before = ['value', 'first', 'second', 'gradient'].map((name) => inputs[`${name}${i}`]!);
    const { shape } = before[0]!;
    const after = [0, 1, 2].map(() => module.output(shape));
    const addresses = [...before, ...after].map((tensor) => module.address(tensor));
    // Whole vectors each: values behind a stretch's end are read, and another thread's are not to be.
    const vectors = Math.ceil(util.sizeFromShape(shape) / 4);
    for (const { first, count } of module.stretchesOf(vectors, leastOf(4))) {
      const length = Math.min(util.sizeFromShape(shape) - 4 * first, 4 * count);
      tasks.push([['adamStep', length, ...rates, ...addresses.map((address) => address + 16 * first)]]);
    }
    return after;
  });
  module.run(tasks);
  return [0, 1, 2].flatMap((of) => weights.map((after) => after[of]!));
}
