import type { LayerInput } from '../layerSchema.js';
import { conv, residualUnit, type Style, scores } from './pieces.js';
import type { PresetOf } from './presetSchema.js';

/**
 * ResNet-32 as in the authors' code for CIFAR: `stem`, then units named `unit<stage>-<number>`. The stem has no
 * activation; stages but the first begin with a stride of 2 and a projection; the last map (8×8 of 32×32) is averaged.
 */
export function resnet32(
  { widths, units, ...style }: PresetOf<'resnet-32'>,
  classes: number,
): readonly LayerInput[] {
  const layers: LayerInput[] = [conv(widths[0]!, { ...style, activation: 'none' }, { name: 'stem' })];
  let from = 'stem';
  for (const [stage, filters] of widths.entries())
    for (let unit = 0; unit < units[stage]!; unit++) {
      const name = `unit${stage + 1}-${unit + 1}`;
      const projects = stage > 0 && unit === 0;
      layers.push(...residualUnit(name, filters, from, { projects, style, after: style.activation }));
      from = name;
    }
  return [...layers, { type: 'global-average-pool' }, scores(classes)];
}

/**
 * The modified ResNet-18 of the authors' code for ImageNet: no projections, since a convolution of its own (`down<stage>`)
 * halves the map before each stage but the first, and nothing follows an addition. PReLU's slopes start at 0. Weights
 * start as in every layer here (He normal); the authors draw them from N(0, 0.01²) in units, by Xavier's rule elsewhere.
 */
export function resnet18(
  { widths, units, ...given }: PresetOf<'resnet-18'>,
  classes: number,
): readonly LayerInput[] {
  const style: Style = { ...given, initialSlope: 0 };
  const layers: LayerInput[] = [
    conv(widths[0]!, style, { name: 'stem', kernel: 7, stride: 2 }),
    { type: 'max-pool', name: 'stem-pool', size: 3, stride: 2, padding: 'same' },
  ];
  let from = 'stem-pool';
  for (const [stage, filters] of widths.entries()) {
    if (stage > 0) {
      from = `down${stage + 1}`;
      layers.push(conv(filters, style, { name: from, stride: 2 }));
    }
    for (let unit = 0; unit < units[stage]!; unit++) {
      const name = `unit${stage + 1}-${unit + 1}`;
      layers.push(...residualUnit(name, filters, from, { projects: false, style, after: 'none' }));
      from = name;
    }
  }
  return [...layers, { type: 'global-average-pool' }, scores(classes)];
}
