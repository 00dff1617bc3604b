/** What a convolution's layer is made of, beside its operator. */
export interface ConvolutionArgs {
  readonly name?: string;
  readonly filters: number;
  readonly kernelSize: number;
  readonly strides: number;
  readonly padding: 'same' | 'valid';
  /** Seed of the initial filters. */
  readonly seed: number;
  readonly batchInputShape?: (number | null)[];
}

/** [N, H, W, Cin] → [N, H′, W′, F]; null where a length is not known. */
export function convolutionShape(
  [images, height, width]: (number | null)[],
  { filters, kernelSize, strides, padding }: ConvolutionArgs,
): (number | null)[] {
  const side = (length: number | null | undefined): number | null => {
    if (length === null || length === undefined) return null;
    return Math.ceil((padding === 'same' ? length : length - kernelSize + 1) / strides);
  };
  return [images ?? null, side(height), side(width), filters];
}

/** The number of input channels. @throws Error where it is not known */
export function channelsOf(inputShape: (number | null)[], name: string): number {
  const channels = inputShape.at(-1);
  if (typeof channels !== 'number') throw new Error(`${name}: the number of input channels must be known.`);
  return channels;
}
