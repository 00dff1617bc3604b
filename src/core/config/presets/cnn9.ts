import type { LayerInput } from '../layerSchema.js';
import { conv, scores } from './pieces.js';
import type { PresetOf } from './presetSchema.js';

/**
 * CNN-9 (Decoupled Networks, section 5; SphereNet and MHE for the widths): 3 × (3 × conv 3×3, max-pool), dense. The
 * dense layer has the network's operator, and nothing follows it: `fc6` of the authors' `spherenet.py` (wy1iu/SphereNet),
 * there a convolution over the whole last map.
 */
export function cnn9(
  { widths, features, ...style }: PresetOf<'cnn-9'>,
  classes: number,
): readonly LayerInput[] {
  return [
    ...widths.flatMap((filters): LayerInput[] => [
      conv(filters, style),
      conv(filters, style),
      conv(filters, style),
      { type: 'max-pool' },
    ]),
    { type: 'flatten' },
    { type: 'dense', units: features, operator: {} },
    scores(classes),
  ];
}
