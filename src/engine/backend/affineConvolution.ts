import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { OperatorFunctions } from '../operator/decoupledProduct.js';
import type { Window } from '../operator/patchNorms.js';
import { convolution, upTo, windowOf } from './convolutions.js';
import {
  type Inputs,
  parameterFloats,
  productCall,
  registerFused,
  windowSizes,
  writeParameters,
} from './fusedWasm.js';
import type { KernelModule } from './kernelModule.js';

interface AffineConvolutionAttributes extends Window {
  /** Inside the root of ‖x‖. */
  readonly epsilon: number;
  /** Left out: a plain convolution. */
  readonly functions?: OperatorFunctions;
  readonly relu: boolean;
}

export function registerAffineConvolution(module: KernelModule): void {
  registerFused(module, 'AffineConvolution', (inputs, attributes: AffineConvolutionAttributes) =>
    affineConvolution(module, inputs, attributes),
  );
}

/** (h·g of) a convolution, normalised by slope and shift; each few images are finished while a cache has them. */
function affineConvolution(
  module: KernelModule,
  inputs: Inputs,
  { functions, epsilon, relu, ...window }: AffineConvolutionAttributes,
): TensorInfo[] {
  const { x, filters, slope, shift } = inputs as Record<'x' | 'filters' | 'slope' | 'shift', TensorInfo>;
  const sizes = windowOf(x.shape, filters.shape, {
    strides: window.stride,
    pad: window.padding,
    dataFormat: 'NHWC',
  });
  const { outHeight, outWidth, outChannels } = sizes;
  const rowsOfImage = outHeight * outWidth;
  const affine = (): number[] => [module.address(slope), module.address(shift), Number(relu)];
  if (functions === undefined)
    return [
      convolution(module, x, filters, sizes, {
        scratch: 0,
        calls: ({ count, output }) => [
          ['channelAffine', count * rowsOfImage, outChannels, output, ...affine(), output],
        ],
      }),
    ];
  const norms = windowSizes(x.shape, window);
  const imageBytes = 4 * util.sizeFromShape(x.shape.slice(1));
  const table = parameterFloats(outChannels);
  const squares = upTo(4, norms.scratch);
  return module.withScratch(table, (parameters) => {
    writeParameters(module, inputs, functions, outChannels, parameters);
    const finished = convolution(module, x, filters, sizes, {
      scratch: squares + util.sizeFromShape(norms.outShape),
      calls: ({ first, count, output, scratch }) => {
        const [, ...sizesOfImage] = norms.sizes;
        const from = module.address(x) + first * imageBytes;
        const normsAt = scratch + 4 * squares;
        const places = { projection: output, norms: normsAt, parameters, affine: affine(), out: output };
        return [
          ['patchNorms', count, ...sizesOfImage, outHeight, outWidth, epsilon, from, scratch, normsAt],
          productCall(functions, count * rowsOfImage, outChannels, places),
        ];
      },
    });
    return [finished];
  });
}
