import type { LayerInput } from '../layerSchema.js';
import { conv, scores } from './pieces.js';
import type { PresetOf } from './presetSchema.js';

/**
 * A network whose features are points of a plane (Decoupled Networks, figure 1). They come from a convolution of two
 * filters over the whole last map (3×3 of 28×28, the mean over places where it is larger), so that they are plain or
 * decoupled as the other convolutions are; a decoupled bounded operator keeps them within a square.
 */
export function mnist2d({ widths, ...style }: PresetOf<'mnist-2d'>, classes: number): readonly LayerInput[] {
  const bare = { batchNorm: false, activation: 'none' } as const;
  return [
    ...widths.flatMap((filters): LayerInput[] => [
      conv(filters, style),
      conv(filters, style),
      { type: 'max-pool' },
    ]),
    conv(2, bare, { name: 'embedding', padding: 'valid' }),
    { type: 'global-average-pool' },
    scores(classes),
  ];
}
