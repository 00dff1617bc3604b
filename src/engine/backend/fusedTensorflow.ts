import type * as tf from '@tensorflow/tfjs-core';
import { backend_util, registerKernel } from '@tensorflow/tfjs-core';
import { squareExponent } from '../../core/config/operatorSchema.js';
import type { AveragesAttributes } from '../layers/runningAverage.js';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';
import type { FusedKernel } from '../operator/fusedKernels.js';
import type { Window } from '../operator/patchNorms.js';
import { registerProjectionAndNorms } from '../operator/projection.js';
import type { AdamAttributes } from '../training/adamStep.js';
import { type ConvolutionAttributes, hasTiles, isBare, windowOf } from './convolutions.js';
import { functionCodes } from './functionCodes.js';
import { type PoolAttributes, poolWindowOf } from './pooling.js';
import { replaceKernel, type Shape4D } from './replaceKernel.js';

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: number | boolean;
}

/** What we use of the binding's backend. */
interface TensorflowBackend {
  readonly binding: Readonly<Record<'TF_ATTR_INT' | 'TF_ATTR_FLOAT' | 'TF_ATTR_BOOL', number>>;
  executeMultipleOutputs(
    operation: string,
    attributes: readonly Attribute[],
    inputs: readonly tf.TensorInfo[],
    outputs: number,
  ): tf.TensorInfo[];
}

type Inputs = Readonly<Record<string, tf.TensorInfo>>;

/** One run of an operation of `native`. */
interface Operation {
  readonly name: string;
  readonly integers?: Readonly<Record<string, number>>;
  readonly reals?: Readonly<Record<string, number>>;
  readonly flags?: Readonly<Record<string, boolean>>;
  readonly inputs: readonly (tf.TensorInfo | undefined)[];
  readonly outputs: number;
}

/** Register the kernels of `native`, which the runtime in use has been given, for the tensorflow backend. */
export function registerTensorflowKernels(): void {
  const register = <A>(name: FusedKernel, operationOf: (inputs: Inputs, attributes: A) => Operation): void =>
    registerKernel({
      kernelName: name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, attrs, backend }) =>
        execute(backend as TensorflowBackend, operationOf(inputs as Inputs, attrs as unknown as A)),
    });

  register('DecoupledProduct', ({ projection, norms, radius, k }, functions: OperatorFunctions) => ({
    name: 'DcnetProduct',
    ...attributesOf(functions, [radius, k]),
    inputs: [projection, norms, radius, k],
    outputs: 1,
  }));
  register(
    'DecoupledProductGradient',
    ({ projection, norms, dy, radius, k }, functions: OperatorFunctions) => ({
      name: 'DcnetProductGradient',
      ...attributesOf(functions, [radius, k]),
      inputs: [projection, norms, dy, radius, k],
      outputs: 2 + given([radius, k]).length,
    }),
  );
  register(
    'AffineProduct',
    ({ projection, norms, slope, shift, radius, k }, functions: OperatorFunctions & { relu: boolean }) => ({
      name: 'DcnetAffineProduct',
      ...attributesOf(functions, [radius, k]),
      flags: { relu: functions.relu },
      inputs: [projection, norms, slope, shift, radius, k],
      outputs: 1,
    }),
  );
  register(
    'NormalizedProduct',
    (
      { projection, norms, gamma, beta, radius, k },
      { epsilon, relu, ...functions }: OperatorFunctions & { epsilon: number; relu: boolean },
    ) => {
      const { integers, reals } = attributesOf(functions, [radius, k]);
      return {
        name: 'DcnetNormalizedProduct',
        integers,
        reals: { ...reals, epsilon },
        flags: { relu },
        inputs: [projection, norms, gamma, beta, radius, k],
        outputs: 5,
      };
    },
  );
  register(
    'NormalizedProductGradient',
    (
      { projection, norms, product, y, dy, gamma, mean, inverse, radius, k },
      functions: OperatorFunctions & { relu: boolean },
    ) => ({
      name: 'DcnetNormalizedProductGradient',
      ...attributesOf(functions, [radius, k]),
      flags: { relu: functions.relu },
      inputs: [projection, norms, product, y, dy, gamma, mean, inverse, radius, k],
      outputs: 4 + given([radius, k]).length,
    }),
  );
  register('NormalizeFilters', ({ w }, { epsilon }: { epsilon: number }) => ({
    name: 'DcnetNormalizeFilters',
    reals: { epsilon },
    inputs: [w],
    outputs: 2,
  }));
  register('NormalizeFiltersGradient', ({ w, norms, dy }) => ({
    name: 'DcnetNormalizeFiltersGradient',
    inputs: [w, norms, dy],
    outputs: 1,
  }));
  registerProjectionAndNorms('tensorflow');
  register('PatchNorms', ({ x }, { epsilon, ...window }: Window & { epsilon: number }) => ({
    name: 'DcnetPatchNorms',
    integers: windowSizes(x!.shape, window),
    reals: { epsilon },
    inputs: [x],
    outputs: 1,
  }));
  register('PatchNormsGradient', ({ x, norms, dn, sum }, window: Window) => ({
    name: 'DcnetPatchNormsGradient',
    integers: { ...windowSizes(x!.shape, window), count: given([sum]).length },
    inputs: [x, norms, dn, sum],
    outputs: 1,
  }));
  register('BatchNormalization', ({ x, gamma, beta }, attributes: { epsilon: number; relu: boolean }) => ({
    name: 'DcnetBatchNormalization',
    reals: { epsilon: attributes.epsilon },
    flags: { relu: attributes.relu },
    inputs: [x, gamma, beta],
    outputs: 4,
  }));
  register(
    'BatchNormalizationGradient',
    ({ x, y, dy, gamma, mean, inverse }, { relu }: { relu: boolean }) => ({
      name: 'DcnetBatchNormalizationGradient',
      flags: { relu },
      inputs: [x, y, dy, gamma, mean, inverse],
      outputs: 3,
    }),
  );
  register('ChannelAffine', ({ x, slope, shift }, { relu }: { relu: boolean }) => ({
    name: 'DcnetChannelAffine',
    flags: { relu },
    inputs: [x, slope, shift],
    outputs: 1,
  }));
  register('BatchRadius', ({ norms, rho }) => ({
    name: 'DcnetBatchRadius',
    inputs: [norms, rho],
    outputs: 2,
  }));
  register('BatchRadiusGradient', ({ norms, rho, mean, dy }) => ({
    name: 'DcnetBatchRadiusGradient',
    inputs: [norms, rho, mean, dy],
    outputs: 2,
  }));
  register('RunningAverages', (inputs, { count, decay }: AveragesAttributes) => ({
    name: 'DcnetRunningAverages',
    integers: { count },
    reals: { decay },
    inputs: [inputs.weight, ...numbered(inputs, 'average', count), ...numbered(inputs, 'value', count)],
    outputs: 1 + count,
  }));
  register('AdamStep', (inputs, { count, beta1, beta2, epsilon }: AdamAttributes) => {
    const { learningRate, power1, power2 } = inputs;
    const weights = ['value', 'first', 'second', 'gradient'].flatMap((name) => numbered(inputs, name, count));
    return {
      name: 'DcnetAdam',
      integers: { count },
      reals: { beta1, beta2, epsilon },
      inputs: [learningRate, power1, power2, ...weights],
      outputs: 3 * count,
    };
  });
  // TensorFlow's own works on one thread, and looks for the largest value anew.
  replaceKernel('MaxPoolGrad', 'tensorflow', () => ({ inputs, attrs, backend }) => {
    const { dy, input, output } = inputs as Inputs;
    const window = poolWindowOf(input!.shape, attrs as unknown as PoolAttributes);
    const [dx] = execute(backend as TensorflowBackend, {
      name: 'DcnetMaxPoolGradient',
      integers: {
        height: window.effectiveFilterHeight,
        width: window.effectiveFilterWidth,
        stride_height: window.strideHeight,
        stride_width: window.strideWidth,
        pad_top: window.padInfo.top,
        pad_left: window.padInfo.left,
      },
      inputs: [input, output, dy],
      outputs: 1,
    });
    return dx!;
  });
  registerConvolutions();
}

/**
 * 3×3 convolutions and their gradients by minimal filtering, which takes fewer multiplications than what oneDNN
 * computes; all others stay TensorFlow's.
 */
function registerConvolutions(): void {
  /** @param operationOf nothing: the kernel that was there */
  const replace = <A>(
    name: string,
    operationOf: (inputs: Inputs, attributes: A) => Operation | undefined,
  ): void =>
    replaceKernel(name, 'tensorflow', (stock) => (parameters) => {
      const { inputs, attrs, backend } = parameters;
      const operation = operationOf(inputs as Inputs, attrs as unknown as A);
      if (operation === undefined) return stock(parameters);
      const outputs = execute(backend as TensorflowBackend, operation);
      return outputs.length === 1 ? outputs[0]! : outputs;
    });

  for (const name of ['Conv2D', 'FusedConv2D'])
    replace(name, ({ x, filter, bias }, attributes: ConvolutionAttributes) => {
      const window = windowOf(x!.shape, filter!.shape, attributes);
      if (!isTiled(window) || !isBare(bias, attributes)) return;
      const { padInfo, outHeight, outWidth } = window;
      return tiledConvolution([x, filter], padInfo, [outHeight, outWidth], false);
    });
  // dL/dx is the convolution of dy with w flipped in both directions and transposed.
  replace(
    'Conv2DBackpropInput',
    (
      { dy, filter },
      { inputShape, ...attributes }: ConvolutionAttributes & { readonly inputShape: Shape4D },
    ) => {
      const window = windowOf(inputShape, filter!.shape, attributes);
      if (!isTiled(window)) return;
      const { padInfo, inHeight, inWidth } = window;
      const flipped = { top: 2 - padInfo.top, left: 2 - padInfo.left };
      return tiledConvolution([dy, filter], flipped, [inHeight, inWidth], true);
    },
  );
  replace(
    'Conv2DBackpropFilter',
    (
      { x, dy },
      { filterShape, ...attributes }: ConvolutionAttributes & { readonly filterShape: Shape4D },
    ) => {
      const window = windowOf(x!.shape, filterShape, attributes);
      if (!isTiled(window)) return;
      return {
        name: 'DcnetFilterGradient',
        integers: { pad_top: window.padInfo.top, pad_left: window.padInfo.left },
        inputs: [x, dy],
        outputs: 1,
      };
    },
  );
  // The squares are summed while a tile's pixels are at hand, and their gradient is added to each pixel that is written.
  const keepsSize = ({ stride, padding }: Window, x: tf.TensorInfo, unit: tf.TensorInfo): boolean =>
    padding === 'same' &&
    isTiled(windowOf(x.shape, unit.shape, { strides: stride, pad: padding, dataFormat: 'NHWC' }));
  replace('ProjectionAndNorms', ({ x, unit }, { epsilon, ...window }: Window & { epsilon: number }) =>
    keepsSize(window, x!, unit!)
      ? { name: 'DcnetProjectionAndNorms', reals: { epsilon }, inputs: [x, unit], outputs: 2 }
      : undefined,
  );
  replace('ProjectionAndNormsGradient', ({ dy, unit, x, norms, dn }, window: Window) =>
    keepsSize(window, x!, unit!)
      ? { name: 'DcnetProjectionAndNormsGradient', inputs: [dy, unit, x, norms, dn], outputs: 1 }
      : undefined,
  );
}

/** @param backward whether it is the convolution of dy with the flipped filters */
function tiledConvolution(
  inputs: Operation['inputs'],
  { top, left }: Pick<backend_util.PadInfo, 'top' | 'left'>,
  [height, width]: readonly [height: number, width: number],
  backward: boolean,
): Operation {
  return {
    name: 'DcnetConvolution',
    integers: { pad_top: top, pad_left: left, out_height: height, out_width: width },
    flags: { backward },
    inputs,
    outputs: 1,
  };
}

/** What the kernels of tiles take: whole vectors of channels. */
const tiledMultiple = 16;

function isTiled(window: backend_util.Conv2DInfo): boolean {
  const { inChannels, outChannels } = window;
  return hasTiles(window) && inChannels % tiledMultiple === 0 && outChannels % tiledMultiple === 0;
}

function execute(backend: TensorflowBackend, operation: Operation): tf.TensorInfo[] {
  const { name, integers = {}, reals = {}, flags = {}, inputs, outputs } = operation;
  const { TF_ATTR_INT, TF_ATTR_FLOAT, TF_ATTR_BOOL } = backend.binding;
  const typed = (values: Readonly<Record<string, number | boolean>>, type: number): Attribute[] =>
    Object.entries(values).map(([key, value]) => ({ name: key, type, value }));
  const attributes = [
    ...typed(integers, TF_ATTR_INT),
    ...typed(reals, TF_ATTR_FLOAT),
    ...typed(flags, TF_ATTR_BOOL),
  ];
  return backend.executeMultipleOutputs(name, attributes, given(inputs), outputs);
}

/** `name0`, `name1` and so on. */
function numbered(inputs: Inputs, name: string, count: number): (tf.TensorInfo | undefined)[] {
  return Array.from({ length: count }, (_, i) => inputs[`${name}${i}`]);
}

function given(tensors: readonly (tf.TensorInfo | undefined)[]): tf.TensorInfo[] {
  return tensors.filter((tensor) => tensor !== undefined);
}

function attributesOf(functions: OperatorFunctions, parameters: readonly (tf.TensorInfo | undefined)[]) {
  const [magnitude, angular] = functionCodes(functions);
  const { alpha, beta, exponent = squareExponent } = functions;
  return {
    integers: { magnitude, angular, count: given(parameters).length },
    reals: { alpha, beta, exponent },
  };
}

function windowSizes(shape: readonly number[], { kernel, stride, padding }: Window) {
  const { padInfo, outHeight, outWidth } = backend_util.computePool2DInfo(
    [...shape] as Shape4D,
    kernel,
    stride,
    1,
    padding,
  );
  return {
    kernel,
    stride,
    pad_top: padInfo.top,
    pad_left: padInfo.left,
    out_height: outHeight,
    out_width: outWidth,
  };
}
