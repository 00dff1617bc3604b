import type { LayerInput } from '../layerSchema.js';

type Conv = Extract<LayerInput, { readonly type: 'conv' }>;
type Add = Extract<LayerInput, { readonly type: 'add' }>;
type Dense = Extract<LayerInput, { readonly type: 'dense' }>;

/** What a preset says of all its layers. */
export interface Style {
  readonly batchNorm: boolean;
  readonly activation: 'relu' | 'prelu' | 'none';
  /** Where PReLU's slopes start; left out, at a layer's default. */
  readonly initialSlope?: number;
}

/** A convolution; what has the schema's default is left out, so that an ejected layer is short. */
export function conv(filters: number, style: Style, more: Partial<Conv> = {}): Conv {
  return {
    type: 'conv',
    ...(more.name === undefined ? {} : { name: more.name }),
    filters,
    ...more,
    ...(style.batchNorm ? {} : { batchNorm: false }),
    ...activated(style),
  };
}

function activated({ activation, initialSlope }: Style): Pick<Conv, 'activation' | 'initialSlope'> {
  if (activation === 'relu') return {};
  return activation === 'prelu' && initialSlope !== undefined ? { activation, initialSlope } : { activation };
}

/** The last layer: one score a class. */
export function scores(classes: number): Dense {
  return { type: 'dense', name: 'scores', units: classes };
}

/**
 * A residual unit (the authors' `_resnet_unit_v1`): two 3×3 convolutions, the second without activation, and the sum
 * with what came in.
 * @param from name of the layer that feeds the unit
 * @param projects whether the unit changes the shape, by a stride of 2 in its first convolution
 */
export function residualUnit(
  name: string,
  filters: number,
  from: string,
  { projects, style, after }: { projects: boolean; style: Style; after: Style['activation'] },
): readonly LayerInput[] {
  const plainEnd = { ...style, activation: 'none' } as const;
  const projection = projects ? { projection: true, ...(style.batchNorm ? {} : { batchNorm: false }) } : {};
  const add: Add = { type: 'add', name, from, ...projection, ...activated({ ...style, activation: after }) };
  return [
    conv(filters, style, { name: `${name}a`, ...(projects ? { stride: 2 } : {}) }),
    conv(filters, plainEnd, { name: `${name}b` }),
    add,
  ];
}
