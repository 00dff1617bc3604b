import * as tf from '@tensorflow/tfjs-core';
import type { AveragesAttributes } from '../layers/runningAverage.js';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';
import type { FusedConvolutionAttributes } from '../operator/fusedConvolution.js';
import type { FusedKernel } from '../operator/fusedKernels.js';
import type { Window } from '../operator/patchNorms.js';
import type { AdamAttributes } from '../training/adamStep.js';
import { type ConvolutionAttributes, windowOf } from './convolutions.js';
import type { DawnBackend } from './dawnBackend.js';
import { replaceKernel, type Shape4D } from './replaceKernel.js';
import { type AdamTensors, adamStep } from './wgsl/adam.js';
import { batchNormalization, batchNormalizationGradient, channelAffine } from './wgsl/batchNorm.js';
import { type ConvolutionTensors, type ConvolutionTrace, decoupledConvolution } from './wgsl/convolution.js';
import { filterGradient } from './wgsl/filterGradient.js';
import { decoupledConvolutionGradient } from './wgsl/gradient.js';
import { patchNorms, patchNormsGradient } from './wgsl/patchNorms.js';
import { type ProductTensors, product, productGradient } from './wgsl/product.js';
import { type AveragesTensors, runningAverages } from './wgsl/runningAverages.js';

type Tensors<Name extends string> = Readonly<Record<Name, tf.TensorInfo>>;

/** Register our own kernels for the webgpu backend, and put ours in the place of a slow one of tfjs's. */
export function registerWebgpuKernels(): void {
  const register = <I, A>(
    name: FusedKernel,
    kernel: (backend: DawnBackend, inputs: I, attributes: A) => tf.TensorInfo[],
  ): void =>
    tf.registerKernel({
      kernelName: name,
      backendName: 'webgpu',
      kernelFunc: ({ inputs, attrs, backend }) =>
        kernel(backend as DawnBackend, inputs as I, attrs as unknown as A),
    });
  register(
    'DecoupledConvolution',
    (
      backend,
      tensors: ConvolutionTensors,
      attributes: FusedConvolutionAttributes & { readonly traced: boolean },
    ) => decoupledConvolution(backend, tensors, attributes),
  );
  register(
    'DecoupledConvolutionGradient',
    (
      backend,
      tensors: ConvolutionTensors & ConvolutionTrace & Tensors<'dy'>,
      attributes: FusedConvolutionAttributes,
    ) => decoupledConvolutionGradient(backend, tensors, attributes),
  );
  register('DecoupledProduct', (backend, inputs: ProductTensors, functions: OperatorFunctions) => [
    product(backend, inputs, functions),
  ]);
  register(
    'DecoupledProductGradient',
    (backend, { dy, ...inputs }: ProductTensors & Tensors<'dy'>, functions: OperatorFunctions) =>
      productGradient(backend, inputs, dy, functions),
  );
  register('PatchNorms', (backend, { x }: Tensors<'x'>, attributes: Window & { epsilon: number }) => [
    patchNorms(backend, x, attributes),
  ]);
  register('PatchNormsGradient', (backend, inputs: Tensors<'x' | 'norms' | 'dn'>, window: Window) => [
    patchNormsGradient(backend, inputs, window),
  ]);
  register(
    'BatchNormalization',
    (
      backend,
      inputs: Tensors<'x' | 'gamma' | 'beta'>,
      attributes: { readonly epsilon: number; readonly relu: boolean },
    ) => batchNormalization(backend, inputs, attributes),
  );
  register(
    'BatchNormalizationGradient',
    (
      backend,
      inputs: Tensors<'x' | 'y' | 'dy' | 'gamma' | 'mean' | 'inverse'>,
      { relu }: { readonly relu: boolean },
    ) => batchNormalizationGradient(backend, inputs, relu),
  );
  register(
    'ChannelAffine',
    (backend, inputs: Tensors<'x' | 'slope' | 'shift'>, { relu }: { readonly relu: boolean }) => [
      channelAffine(backend, inputs, relu),
    ],
  );
  register('RunningAverages', (backend, inputs: AveragesTensors, attributes: AveragesAttributes) =>
    runningAverages(backend, inputs, attributes),
  );
  register('AdamStep', (backend, inputs: AdamTensors, attributes: AdamAttributes) =>
    adamStep(backend, inputs, attributes),
  );
  replaceKernel('Conv2DBackpropFilter', 'webgpu', () => ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as Tensors<string> as Tensors<'x' | 'dy'>;
    const { filterShape, ...rest } = attrs as unknown as ConvolutionAttributes & { filterShape: Shape4D };
    return filterGradient(backend as DawnBackend, x, dy, windowOf(x.shape, filterShape, rest));
  });
}
