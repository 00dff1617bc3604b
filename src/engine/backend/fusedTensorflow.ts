import type * as tf from '@tensorflow/tfjs-core';
import { backend_util, registerKernel } from '@tensorflow/tfjs-core';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';
import type { FusedKernel } from '../operator/fusedKernels.js';
import type { Window } from '../operator/patchNorms.js';
import { functionCodes } from './functionCodes.js';
import type { Shape4D } from './replaceKernel.js';

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
  register('PatchNorms', ({ x }, { epsilon, ...window }: Window & { epsilon: number }) => ({
    name: 'DcnetPatchNorms',
    integers: windowSizes(x!.shape, window),
    reals: { epsilon },
    inputs: [x],
    outputs: 1,
  }));
  register('PatchNormsGradient', ({ x, norms, dn }, window: Window) => ({
    name: 'DcnetPatchNormsGradient',
    integers: windowSizes(x!.shape, window),
    inputs: [x, norms, dn],
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

function given(tensors: readonly (tf.TensorInfo | undefined)[]): tf.TensorInfo[] {
  return tensors.filter((tensor) => tensor !== undefined);
}

function attributesOf(functions: OperatorFunctions, parameters: readonly (tf.TensorInfo | undefined)[]) {
  const [magnitude, angular] = functionCodes(functions);
  const { alpha, beta } = functions;
  return { integers: { magnitude, angular, count: given(parameters).length }, reals: { alpha, beta } };
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
