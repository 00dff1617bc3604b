import type * as tf from '@tensorflow/tfjs-core';
import { backend_util, registerKernel, util } from '@tensorflow/tfjs-core';
import type { AveragesAttributes } from '../layers/runningAverage.js';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';
import type { FusedKernel } from '../operator/fusedKernels.js';
import type { Window } from '../operator/patchNorms.js';
import { registerProjectionAndNorms } from '../operator/projection.js';
import { sumOverBatch } from '../parallel/exchange.js';
import type { AdamAttributes } from '../training/adamStep.js';
import { functionCodes } from './functionCodes.js';
import type { KernelModule } from './kernelModule.js';

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
    const none = [0, 0, 0];
    const [from, to] = [module.address(projection), module.address(out)];
    const rows = util.sizeFromShape(norms.shape);
    runProduct(module, functions, rows, filters, from, module.address(norms), parameters, none, to);
  });
  return [out];
}

/**
 * h·g of projections [rows, filters] that may lie where the output does.
 * @param parameters from {@link writeParameters}
 * @param affine addresses of the slope and the shift of a batch normalisation, and whether 0 cuts it; 0: the bare product
 */
export function runProduct(
  module: KernelModule,
  functions: OperatorFunctions,
  rows: number,
  filters: number,
  projection: number,
  norms: number,
  parameters: number,
  affine: readonly number[],
  out: number,
): void {
  const kTable = parameters + 2 * filledUp(filters) * 4;
  const operator = codes(functions);
  module.kernels.productForward(
    rows,
    filters,
    ...operator,
    projection,
    norms,
    parameters,
    kTable,
    ...affine,
    out,
  );
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
  module.withScratch((parameterRows + 4) * row, (parameters) => {
    writeParameters(module, inputs, functions, filters, parameters);
    const sums = parameters + parameterRows * row * 4;
    module.view(sums, 4 * row).fill(0);
    module.kernels.productBackward(
      util.sizeFromShape(norms.shape),
      filters,
      ...codes(functions),
      module.address(projection),
      module.address(norms),
      parameters,
      parameters + 2 * row * 4,
      module.address(dy),
      module.address(byProjection),
      module.address(byNorms),
      sums,
    );
    const totals = module.view(sums, 4 * row).slice();
    if (radius !== undefined)
      outputs.push(summedTo(module, totals.subarray(2 * row, 2 * row + filters), radius));
    if (k !== undefined) outputs.push(summedTo(module, totals.subarray(3 * row, 3 * row + filters), k));
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
  module.withScratch(scratch, (address) =>
    module.kernels.patchNorms(
      ...sizes,
      outHeight,
      outWidth,
      epsilon,
      module.address(x!),
      address,
      module.address(out),
    ),
  );
  return [out];
}

/** dL/dx by the norms; with `sum` among the inputs added to it, in its memory. */
function patchNormsGradient(module: KernelModule, inputs: Inputs, window: Window): tf.TensorInfo[] {
  const { x, norms, dn } = inputs as Record<'x' | 'norms' | 'dn', tf.TensorInfo>;
  const { sum } = inputs;
  const { sizes, outHeight, outWidth, scratch } = windowSizes(x.shape, window);
  const dx = sum === undefined ? module.output(x.shape) : module.share(sum);
  module.withScratch(scratch, (address) =>
    module.kernels.patchNormsGradient(
      ...sizes,
      outHeight,
      outWidth,
      module.address(x),
      module.address(norms),
      module.address(dn),
      address,
      Number(sum !== undefined),
      module.address(dx),
    ),
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
  module.withScratch(4 * row, (scratch) => {
    module.kernels.channelMoments(rows, channels, module.address(x), scratch, scratch + 4 * row);
    const table = module.view(scratch, 4 * row);
    combineMoments(table.subarray(0, row), table.subarray(row, 2 * row), rows);
    const [means, variances, inverses] = statistics.map((tensor) => module.values(tensor));
    const scales = module.values(gamma);
    const shifts = module.values(beta);
    for (let c = 0; c < channels; c++) {
      const mean = table[c]!;
      const variance = table[row + c]!;
      const inverse = 1 / Math.sqrt(variance + epsilon);
      means![c] = mean;
      variances![c] = variance;
      inverses![c] = inverse;
      table[2 * row + c] = scales[c]! * inverse;
      table[3 * row + c] = shifts[c]! - mean * scales[c]! * inverse;
    }
    module.kernels.channelAffine(
      rows,
      channels,
      module.address(x),
      scratch + 8 * row,
      scratch + 12 * row,
      Number(relu),
      module.address(y),
    );
  });
  return [y, ...statistics];
}

/** Means and variances of a share's rows, in place, become those of the whole batch. */
function combineMoments(means: Float32Array, variances: Float32Array, rows: number): void {
  const squares = Array.from(means, (mean, c) => rows * (variances[c]! + mean * mean));
  const [all, ...sums] = sumOverBatch([rows, ...Array.from(means, (mean) => rows * mean), ...squares]);
  if (all === rows) return;
  for (let c = 0; c < means.length; c++) {
    const mean = sums[c]! / all!;
    means[c] = mean;
    variances[c] = Math.max(0, sums[means.length + c]! / all! - mean * mean);
  }
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
  module.withScratch(7 * row, (scratch) => {
    const table = module.view(scratch, 7 * row).fill(0);
    const [means, inverses, sumsBeta, sumsGamma, slopes, meansDy, tilts] = Array.from(
      { length: 7 },
      (_, index) => ({
        at: scratch + 4 * row * index,
        values: table.subarray(row * index, row * (index + 1)),
      }),
    ) as [Row, Row, Row, Row, Row, Row, Row];
    means.values.set(module.values(mean));
    inverses.values.set(module.values(inverse));
    const images = [module.address(x), module.address(y), module.address(dy)];
    const sizes = [rows, channels, ...images, Number(relu)];
    module.kernels.normalizationSums(...sizes, means.at, inverses.at, sumsBeta.at, sumsGamma.at);
    const scales = module.values(gamma);
    const [all, ...totals] = sumOverBatch([rows, ...sumsBeta.values, ...sumsGamma.values]);
    for (let c = 0; c < channels; c++) {
      slopes.values[c] = scales[c]! * inverses.values[c]!;
      meansDy.values[c] = totals[c]! / all!;
      tilts.values[c] = (totals[row + c]! / all!) * inverses.values[c]!;
    }
    module.values(byGamma).set(sumsGamma.values.subarray(0, channels));
    module.values(byBeta).set(sumsBeta.values.subarray(0, channels));
    module.kernels.normalizationGradient(
      ...sizes,
      means.at,
      slopes.at,
      meansDy.at,
      tilts.at,
      module.address(dx),
    );
  });
  return [dx, byGamma, byBeta];
}

interface Row {
  readonly at: number;
  readonly values: Float32Array;
}

/** x·slope + shift per channel. */
function channelAffine(module: KernelModule, inputs: Inputs, relu: boolean): tf.TensorInfo[] {
  const { x, slope, shift } = inputs as Record<'x' | 'slope' | 'shift', tf.TensorInfo>;
  const [rows, channels] = rowsOf(x);
  const out = module.output(x.shape);
  module.kernels.channelAffine(
    rows,
    channels,
    module.address(x),
    module.address(slope),
    module.address(shift),
    Number(relu),
    module.address(out),
  );
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
  const weights = Array.from({ length: count }, (_, i) => {
    const before = ['value', 'first', 'second', 'gradient'].map((name) => inputs[`${name}${i}`]!);
    const { shape } = before[0]!;
    const after = [0, 1, 2].map(() => module.output(shape));
    const addresses = [...before, ...after].map((tensor) => module.address(tensor));
    module.kernels.adamStep(util.sizeFromShape(shape), ...rates, ...addresses);
    return after;
  });
  return [0, 1, 2].flatMap((of) => weights.map((after) => after[of]!));
}
