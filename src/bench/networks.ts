import { type Network, resolveNetwork } from '../core/config/network.js';
import type { OperatorInput } from '../core/config/operatorSchema.js';
import { type Config, configSchema } from '../core/config/schema.js';
import { normals } from '../core/random.js';
import type { DataSet } from '../engine/data/dataSet.js';
import type { Split } from '../engine/data/split.js';

/** An operator of all convolutions of a network. */
export interface NamedOperator {
  /** `tanh · cosine`, or `plain`. */
  readonly name: string;
  readonly operator: OperatorInput | 'inner-product';
}

export const plain: NamedOperator = { name: 'plain', operator: 'inner-product' };

export function decoupled(
  magnitude: NonNullable<OperatorInput['magnitude']>,
  angular: NonNullable<OperatorInput['angular']>,
): NamedOperator {
  return { name: `${magnitude} · ${angular}`, operator: { magnitude, angular } };
}

/** A network to be measured: its layers for an operator, and the images it takes. */
export interface NetworkPlan {
  readonly name: string;
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly batch: number;
  /** As a config has them. */
  readonly layers: readonly object[] | object;
}

/** The paper's CNN-9, its dense layer of 256 included. */
export function cnn9(widths: readonly [number, number, number]): NetworkPlan {
  return {
    name: `CNN-9 ${widths.join('-')}`,
    shape: [32, 32, 3],
    batch: 64,
    layers: { preset: 'cnn-9', widths },
  };
}

/** The authors' ResNet-32 with another width. */
export function resnet32(widths: readonly [number, number, number]): NetworkPlan {
  return {
    name: `ResNet-32 ${widths.join('-')}`,
    shape: [32, 32, 3],
    batch: 64,
    layers: { preset: 'resnet-32', widths },
  };
}

/** The sample network's shape. */
export const sample: NetworkPlan = {
  name: 'sample',
  shape: [28, 28, 1],
  batch: 50,
  layers: [
    { type: 'conv', filters: 16 },
    { type: 'max-pool' },
    { type: 'conv', filters: 32 },
    { type: 'max-pool' },
    { type: 'conv', filters: 64 },
    { type: 'flatten' },
    { type: 'dense', units: 10 },
  ],
};

const classes = 10;

export function resolve(
  plan: NetworkPlan,
  { operator }: NamedOperator,
): { readonly config: Config; readonly network: Network } {
  const config = configSchema.parse({
    data: { dataset: 'fashion-mnist-sample' },
    operator,
    layers: plan.layers,
    batch: plan.batch,
  });
  const { network, problems } = resolveNetwork(config, { shape: plan.shape, classes });
  if (network === undefined) throw new Error(problems.map(({ message }) => message).join(' '));
  return { config, network };
}

/** Images of noise: what is computed takes as long as for others. */
export function noise(shape: NetworkPlan['shape'], count: number): DataSet {
  const values = normals(count * shape[0] * shape[1] * shape[2], 40, 1, 'bench images');
  const split: Split = {
    count,
    images: new Uint8Array(Uint8ClampedArray.from(values, (value) => 128 + value).buffer),
    labels: Uint8Array.from({ length: count }, (_, i) => i % classes),
  };
  return {
    info: {
      name: 'noise',
      shape: [...shape],
      classes,
      classNames: Array.from({ length: classes }, (_, label) => String(label)),
      trainImages: count,
      testImages: count,
    },
    sha256: '',
    train: split,
    test: split,
  };
}
