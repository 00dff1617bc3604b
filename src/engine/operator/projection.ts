import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from './fusedKernels.js';
import { normEpsilon, patchNorms, type Window } from './patchNorms.js';

/** What a decoupled convolution makes of x before h and g. */
export interface Projection {
  /** ⟨ŵ, x⟩ [N, H′, W′, F]. */
  readonly projection: tf.Tensor4D;
  /** ‖x‖ [N, H′, W′, 1]. */
  readonly norms: tf.Tensor4D;
}

/**
 * The projections on the filters and the patch norms. Where the backend has a kernel, both are one operation: the norms'
 * share of the gradient to x is added to the convolution's where that lies.
 * @param x [N, H, W, Cin]
 * @param unit ŵ [K, K, Cin, F]
 */
export function projectionAndNorms(x: tf.Tensor4D, unit: tf.Tensor4D, window: Window): Projection {
  if (hasFused('ProjectionAndNorms')) {
    const attributes = { ...window, epsilon: normEpsilon };
    const [projection, norms] = runFused('ProjectionAndNorms', { x, unit }, attributes);
    return { projection: projection as tf.Tensor4D, norms: norms as tf.Tensor4D };
  }
  const norms = patchNorms(x, window, normEpsilon);
  return { projection: tf.conv2d(x, unit, window.stride, window.padding), norms };
}

tf.registerGradient({
  kernelName: 'ProjectionAndNorms',
  inputsToSave: ['x', 'unit'],
  outputsToSave: [false, true],
  gradFunc: (upstream, saved, attributes) => {
    const [dy, dn] = upstream as [tf.Tensor4D, tf.Tensor4D];
    const [x, unit, norms] = saved as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const { kernel, stride, padding } = attributes as unknown as Window;
    return {
      x: () =>
        runFused('ProjectionAndNormsGradient', { dy, unit, x, norms, dn }, { kernel, stride, padding })[0]!,
      unit: () =>
        tf
          .engine()
          .runKernel(
            tf.Conv2DBackpropFilter,
            { x, dy },
            { ...convolution({ stride, padding }), filterShape: unit.shape },
          ) as tf.Tensor,
    };
  },
});

/** Attributes of tfjs's kernels of a convolution's gradients. */
function convolution({ stride, padding }: Pick<Window, 'stride' | 'padding'>) {
  return { strides: stride, pad: padding, dataFormat: 'NHWC', dimRoundingMode: '' };
}

/**
 * The kernels for a backend that has `PatchNorms`, and a `PatchNormsGradient` that adds to `sum` and takes its memory:
 * the projections and the norms, and the gradient to x by both.
 */
export function registerProjectionAndNorms(backendName: string): void {
  tf.registerKernel({
    kernelName: 'ProjectionAndNorms',
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { x, unit } = inputs as Record<'x' | 'unit', tf.Tensor4D>;
      const { kernel, stride, padding, epsilon } = attrs as unknown as Window & { readonly epsilon: number };
      const projection = tf.conv2d(x, unit, stride, padding);
      return [projection, runFused('PatchNorms', { x }, { kernel, stride, padding, epsilon })[0]!];
    },
  });
  tf.registerKernel({
    kernelName: 'ProjectionAndNormsGradient',
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { dy, unit, x, norms, dn } = inputs as Record<'dy' | 'unit' | 'x' | 'norms' | 'dn', tf.Tensor4D>;
      const window = attrs as unknown as Window;
      const byProjection = tf
        .engine()
        .runKernel(
          tf.Conv2DBackpropInput,
          { dy, filter: unit },
          { ...convolution(window), inputShape: x.shape },
        );
      const sum = byProjection as tf.Tensor;
      return runFused('PatchNormsGradient', { x, norms, dn, sum }, window)[0]!;
    },
  });
}
