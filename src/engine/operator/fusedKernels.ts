import * as tf from '@tensorflow/tfjs-core';

/** The kernels of our own that a backend may have: one pass over memory instead of one for each step. */
export const fusedKernels = [
  'DecoupledConvolution',
  'DecoupledConvolutionGradient',
  'DecoupledProduct',
  'DecoupledProductGradient',
  'AffineConvolution',
  'AffineProduct',
  'NormalizedProduct',
  'NormalizedProductGradient',
  'NormalizeFilters',
  'NormalizeFiltersGradient',
  'ProjectionAndNorms',
  'ProjectionAndNormsGradient',
  'PatchNorms',
  'PatchNormsGradient',
  'BatchNormalization',
  'BatchNormalizationGradient',
  'ChannelAffine',
  'BatchRadius',
  'BatchRadiusGradient',
  'RunningAverages',
  'AdamStep',
  'CountPairs',
  'SumResponses',
] as const;

export type FusedKernel = (typeof fusedKernels)[number];

/** Whether the backend in use has a kernel of ours; where it has not, the same is composed of tfjs's operations. */
export function hasFused(name: FusedKernel): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** Run a kernel of ours on the backend in use. Records nothing for gradients. */
export function runFused(
  name: FusedKernel,
  inputs: Readonly<Record<string, tf.Tensor | undefined>>,
  attributes: object,
): tf.Tensor[] {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor !== undefined));
  const outputs = tf.engine().runKernel(name, given as tf.NamedTensorMap, attributes as tf.NamedAttrMap);
  return Array.isArray(outputs) ? outputs : [outputs as tf.Tensor];
}
