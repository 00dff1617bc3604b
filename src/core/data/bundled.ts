import type { DataConfig } from '../config/dataSchema.js';
import type { ImageShape } from '../config/network.js';

type BundledName = Extract<DataConfig, { dataset: unknown }>['dataset'];

/** Image shape and classes of the data sets that come with the extension: known without reading them. */
export const bundledData: Readonly<
  Record<BundledName, { readonly shape: ImageShape; readonly classes: number }>
> = {
  'fashion-mnist-sample': { shape: [28, 28, 1], classes: 10 },
};
