import { conv2DBackpropFilterConfig } from '@tensorflow/tfjs-backend-webgpu/dist/kernels/Conv2DBackpropFilter';
import * as tf from '@tensorflow/tfjs-core';
import { fusedKernels } from '../engine/operator/fusedKernels.js';

/** Do work on webgpu with tfjs's own kernels in the places of ours. */
export async function withStock<T>(work: () => Promise<T>): Promise<T> {
  const ours = [...fusedKernels, conv2DBackpropFilterConfig.kernelName].flatMap(
    (name) => tf.getKernel(name, 'webgpu') ?? [],
  );
  for (const { kernelName } of ours) tf.unregisterKernel(kernelName, 'webgpu');
  tf.registerKernel(conv2DBackpropFilterConfig);
  try {
    return await work();
  } finally {
    tf.unregisterKernel(conv2DBackpropFilterConfig.kernelName, 'webgpu');
    for (const kernel of ours) tf.registerKernel(kernel);
  }
}
