import { closest, distance } from 'fastest-levenshtein';
import { type ConfigFix, setField } from './fix.js';
import type { LayerConfig } from './layerSchema.js';
import type { ImageShape, Shape } from './shape.js';

type AddConfig = Extract<LayerConfig, { readonly type: 'add' }>;

/** What the earlier layer's output passes on its way to the sum: a plain 1×1 convolution. */
export interface Projection {
  /** Ratio of the sides, rounded up. */
  readonly stride: number;
  readonly batchNorm: boolean;
}

/** Tells what does not fit. */
type Fail = (message: string, remedy: string, field?: string, fixes?: readonly ConfigFix[]) => void;

/** Whether an addition names a layer before it; what is wrong is told. */
export function checkSource(
  { from }: AddConfig,
  index: number,
  names: readonly string[],
  fail: Fail,
): boolean {
  const at = names.indexOf(from);
  if (at >= 0 && at < index) return true;
  const earlier = names.slice(0, index);
  const set = (name: string): ConfigFix => ({
    ...setField(['layers', index, 'from'], name),
    preferred: true,
  });
  if (earlier.length === 0) {
    fail('there is no layer before it.', 'Put it after the layers whose outputs it adds.', 'type');
    return false;
  }
  if (at >= 0) {
    const which = at === index ? 'is this layer itself' : 'comes after it';
    fail(`${from} ${which}.`, `Name an earlier layer: ${listed(earlier)}.`, 'from');
    return false;
  }
  const near = closest(from, [...earlier]);
  const meant = distance(from, near) <= Math.max(1, Math.round(near.length / 3)) ? near : undefined;
  const question = meant === undefined ? '' : `Did you mean ${meant}? `;
  const fixes = meant === undefined ? [] : [set(meant)];
  fail(`there is no layer ${from}.`, `${question}Name an earlier layer: ${listed(earlier)}.`, 'from', fixes);
  return false;
}

/** The last of many are the likeliest. */
function listed(names: readonly string[]): string {
  const most = 6;
  return names.length <= most ? names.join(', ') : `…, ${names.slice(-most).join(', ')}`;
}

/**
 * The resolved addition of two layers' outputs, or undefined where they do not fit, which is told.
 * @param source the earlier layer
 * @param shape of what reaches the addition, and so of the sum
 * @param warn told what has no effect
 */
export function resolveAddition(
  layer: AddConfig,
  index: number,
  source: { readonly name: string; readonly outputShape: Shape },
  shape: Shape,
  fail: Fail,
  warn: Fail,
): Projection | 'none' | undefined {
  const from = source.outputShape;
  const remove = (field: string): ConfigFix => ({
    title: `Remove "${field}"`,
    changes: [{ kind: 'remove', path: ['layers', index, field] }],
    preferred: true,
  });
  if (from.join() === shape.join()) {
    if (layer.projection)
      warn('projection has no effect: both shapes are the same.', 'Take it out.', 'projection', [
        remove('projection'),
      ]);
    else idleBatchNorm();
    return 'none';
  }
  const shapes = `what reaches it is ${shape.join('×')}, but ${source.name} gives ${from.join('×')}`;
  if (from.length === 1 || shape.length === 1) {
    fail(
      `${shapes}.`,
      'Add layers of one shape; a projection is for feature maps, before the layer that flattens.',
      'from',
    );
    return undefined;
  }
  const stride = strideBetween(from, shape);
  if (stride === undefined) {
    fail(
      `${shapes}, and no stride of a projection makes one of the other.`,
      'Add an earlier layer whose sides are a whole multiple, with "same" padding on the way.',
      'from',
    );
    return undefined;
  }
  if (!layer.projection) {
    fail(`${shapes}.`, 'Set "projection": true, or add a layer of the same shape.', 'from', [
      { ...setField(['layers', index, 'projection'], true), preferred: true },
    ]);
    return undefined;
  }
  return { stride, batchNorm: layer.batchNorm ?? true };

  function idleBatchNorm(): void {
    if (layer.batchNorm !== undefined)
      warn('batchNorm has no effect: there is no projection.', 'Take it out.', 'batchNorm', [
        remove('batchNorm'),
      ]);
  }
}

/** The stride with which a 1×1 window makes a map of one size from another. */
function strideBetween([height, width]: ImageShape, [toHeight, toWidth]: ImageShape): number | undefined {
  const stride = Math.ceil(height / toHeight);
  const fits = Math.ceil(height / stride) === toHeight && Math.ceil(width / stride) === toWidth;
  return fits ? stride : undefined;
}
