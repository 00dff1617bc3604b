import * as z from 'zod';

const perChannel = <T extends z.ZodNumber>(value: T) => z.union([value, z.array(value).min(1).max(1024)]);

/** The authors' input on CIFAR: (v − 127.5) / 128. */
export const normalizationSchema = z
  .strictObject({
    mean: perChannel(z.number().min(-1000).max(1000))
      .default(127.5)
      .describe('Subtracted from each pixel value: one number, or one a channel. Default 127.5.'),
    scale: perChannel(z.number().positive().max(1000))
      .default(128)
      .describe('What is left is divided by this: one number, or one a channel. Default 128.'),
  })
  .default({ mean: 127.5, scale: 128 })
  .describe(
    'How pixel values (0 to 255) become the network’s input: (v − mean) / scale. Default (v − 127.5) / 128; the authors’ on ImageNet: mean [121.6, 116.6, 102.7], scale 1.',
  );

export type NormalizationConfig = z.infer<typeof normalizationSchema>;

/** (v − mean) / scale, one of each a channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}

/** One value a channel; lists must have as many as there are channels. */
export function resolveNormalization({ mean, scale }: NormalizationConfig, channels: number): Normalization {
  const spread = (value: number | readonly number[]): readonly number[] =>
    typeof value === 'number' ? new Array<number>(channels).fill(value) : value;
  return { mean: spread(mean), scale: spread(scale) };
}
