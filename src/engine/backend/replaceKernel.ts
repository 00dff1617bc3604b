import * as tf from '@tensorflow/tfjs-core';
import type { BackendName } from '../../protocol/engine.js';

export type Shape4D = [number, number, number, number];

/** Attributes of convolutions and pools, as tfjs passes them to kernels. */
export interface WindowAttributes {
  readonly strides: [number, number] | number;
  readonly pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type KernelFunction = tf.KernelConfig['kernelFunc'];

/** Put a kernel in the place of the backend's own, which `make` is given to build upon where there is one. */
export function replaceKernel(
  kernelName: string,
  backendName: BackendName,
  make: (stock: KernelFunction) => KernelFunction,
): void {
  const stock = tf.getKernel(kernelName, backendName);
  if (stock !== undefined) tf.unregisterKernel(kernelName, backendName);
  const missing: KernelFunction = () => {
    throw new Error(`The ${backendName} backend has no ${kernelName}.`);
  };
  tf.registerKernel({ ...stock, kernelName, backendName, kernelFunc: make(stock?.kernelFunc ?? missing) });
}
