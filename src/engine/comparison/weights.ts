import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type {
  ComparedCheckpoint,
  FilterTable,
  LayerComparison,
  Spread,
  WeightComparison,
} from '../../core/comparison/comparison.js';
import { configChanges } from '../../core/comparison/configChanges.js';
import { columnNorms, filterChanges, inputOrder, quantileOf } from '../../core/comparison/filters.js';
import { matchFilters, matchLayers } from '../../core/comparison/match.js';
import { type Network, type NetworkLayer, resolveNetwork } from '../../core/config/network.js';
import type { WeightingName } from '../../core/config/operatorSchema.js';
import { radiusFor } from '../../core/operator/weighting.js';
import { checkpointExtension } from '../../core/run/run.js';
import type { ComparedFile, WorkProgress } from '../../protocol/engine.js';
import { valuesOf } from '../backend/valuesOf.js';
import { throwIfCancelled } from '../cancelled.js';
import {
  checkpointError,
  openTensorFile,
  type StoredTensor,
  type TensorFile,
} from '../checkpoint/checkpoint.js';
import { kFloor, rhoFloor } from '../layers/decoupledConv2dLayer.js';
import { RunFolder } from '../training/runFolder.js';

/** A layer with weights, as the checkpoint holds it. */
interface WeightedLayer {
  readonly name: string;
  readonly type: 'conv' | 'dense';
  readonly shape: readonly number[];
  /** How ‖w‖ enters h; none in a plain layer. */
  readonly weighting: WeightingName;
  /** The last layer's units are classes, which have their places. */
  readonly givesScores: boolean;
  /** {@link followsLast}. */
  readonly followsLast: boolean;
}

interface Opened {
  readonly tensors: TensorFile;
  readonly layers: readonly WeightedLayer[];
  readonly inputShape: Network['inputShape'];
  readonly summary: ComparedCheckpoint;
}

export interface CompareOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: WorkProgress) => void) | undefined;
}

/**
 * Compare two checkpoints by their files: config, and each layer's filters as rescaling and rotation. Layers are read
 * one by one. A layer's filters are matched by best cosine; when they have changed their order, the next layer's
 * inputs are put into that order first (a flattened map's too, whose channels are its last axis). The last layer's
 * units are classes and keep their places.
 * @throws DcnetError `checkpoint` or `cancelled`
 */
export async function compareWeights(
  files: { readonly a: ComparedFile; readonly b: ComparedFile },
  { signal, onProgress }: CompareOptions = {},
): Promise<WeightComparison> {
  const a = await open(files.a);
  try {
    const b = await open(files.b);
    try {
      const pairs = matchLayers(a.layers, b.layers);
      const layers: LayerComparison[] = [];
      /** For each layer of A whose filters were matched one to one: the order in B, and which layer of B it is. */
      const orders = new Map<number, { readonly layer: number; readonly match: Int32Array }>();
      for (const [done, [i, j]] of pairs.entries()) {
        throwIfCancelled(signal);
        const [x, y] = [a.layers[i]!, b.layers[j]!];
        onProgress?.({ activity: `Comparing ${x.name}`, done, total: pairs.length });
        const feeding = x.followsLast && y.followsLast ? orders.get(i - 1) : undefined;
        const { comparison, match } = await compareLayer(
          { tensors: a.tensors, layer: x },
          { tensors: b.tensors, layer: y },
          feeding?.layer === j - 1 ? feeding.match : undefined,
        );
        layers.push(comparison);
        if (match !== undefined) orders.set(i, { layer: j, match });
        await setImmediate();
      }
      return {
        a: a.summary,
        b: b.summary,
        config: configChanges(a.tensors.metadata.config, b.tensors.metadata.config, {
          a: a.tensors.metadata.data.classNames.length,
          b: b.tensors.metadata.data.classNames.length,
        }),
        layers,
        onlyA: a.layers.filter((_, i) => !pairs.some(([taken]) => taken === i)).map(({ name }) => name),
        onlyB: b.layers.filter((_, j) => !pairs.some(([, taken]) => taken === j)).map(({ name }) => name),
        noCommonData: noCommonData(a, b),
      };
    } finally {
      await b.tensors.close();
    }
  } finally {
    await a.tensors.close();
  }
}

async function open({ file, standsFor }: ComparedFile): Promise<Opened> {
  const place = standsFor?.file ?? file;
  const tensors = await openTensorFile(file);
  try {
    const { metadata } = tensors;
    const { data, config } = metadata;
    const { network, problems } = resolveNetwork(config, {
      shape: data.shape,
      classes: data.classNames.length,
    });
    if (network === undefined) {
      const why = problems.find(({ severity }) => severity === 'error')?.message ?? 'its layers do not fit.';
      throw checkpointError(file, `The config in the checkpoint is not valid: ${why}`, '__metadata__');
    }
    const layers = network.layers
      .filter((layer) => layer.type === 'conv' || layer.type === 'dense')
      .map((layer, i, { length }) => ({
        name: layer.name,
        type: layer.type,
        shape: kernelShape(tensors, layer),
        weighting: layer.operator?.weighting ?? 'none',
        givesScores: i === length - 1,
        followsLast: followsLast(network, layer.index),
      }));
    const folder = await RunFolder.ofCheckpoint(place);
    return {
      tensors,
      layers,
      inputShape: network.inputShape,
      summary: {
        file,
        ...(standsFor === undefined ? {} : { committedVersionOf: standsFor.file }),
        run: folder?.name,
        name: standsFor?.name ?? path.basename(place).replace(checkpointExtension, ''),
        epoch: metadata.epoch,
        step: metadata.step,
        data: data.name,
        testAccuracy: metadata.metrics.testAccuracy,
        testLoss: metadata.metrics.testLoss,
        weights: layers.reduce((sum, { shape }) => sum + shape.reduce((x, y) => x * y, 1), 0),
      },
    };
  } catch (thrown) {
    await tensors.close();
    throw thrown;
  }
}

/**
 * Whether a layer's input channels are the filters of the layer with filters before it. Behind an addition they are
 * those of several layers, which have one order only as long as none is reordered: then it is taken to be kept.
 */
function followsLast({ layers }: Network, index: number): boolean {
  const before = layers.slice(0, index);
  const last = before.findLastIndex(({ type }) => type === 'conv' || type === 'dense');
  return !before.slice(last + 1).some(({ type }) => type === 'add');
}

function kernelShape({ file, tensors }: TensorFile, layer: NetworkLayer): readonly number[] {
  const name = `${layer.name}/kernel`;
  const stored = tensors.get(name);
  if (stored === undefined) throw checkpointError(file, 'The checkpoint lacks this tensor.', name);
  const [inputs, filters] = [layer.inputShape.at(-1)!, layer.outputShape.at(-1)!];
  const expected = layer.type === 'conv' ? [layer.kernel, layer.kernel, inputs, filters] : [inputs, filters];
  if (stored.shape.join() !== expected.join() || stored.dtype !== 'F32')
    throw checkpointError(
      file,
      `The tensor is ${stored.dtype} [${stored.shape.join(', ')}], but the network’s is F32 [${expected.join(', ')}].`,
      name,
    );
  return stored.shape;
}

interface Side {
  readonly tensors: TensorFile;
  readonly layer: WeightedLayer;
}

async function compareLayer(
  a: Side,
  b: Side,
  feeding: Int32Array | undefined,
): Promise<{ readonly comparison: LayerComparison; readonly match?: Int32Array }> {
  const [shapeA, shapeB] = [[...a.layer.shape], [...b.layer.shape]];
  const comparison = { a: a.layer.name, b: b.layer.name, type: a.layer.type, shapeA, shapeB };
  if (shapeA.slice(0, -1).join() !== shapeB.slice(0, -1).join()) {
    const [from, to] = [shapeA, shapeB].map((shape) => shape.slice(0, -1).join(' × '));
    return { comparison: { ...comparison, incomparable: `a filter is ${from} in A and ${to} in B` } };
  }
  const [kernelA, kernelB] = [await readKernel(a), await readKernel(b)];
  const inputs = shapeA.slice(0, -1).reduce((x, y) => x * y, 1);
  const [filtersA, filtersB] = [shapeA.at(-1)!, shapeB.at(-1)!];
  const inputOf =
    feeding !== undefined && inputs % feeding.length === 0 ? inputOrder(inputs, feeding) : undefined;
  const match =
    a.layer.givesScores && b.layer.givesScores && filtersA === filtersB
      ? Int32Array.from({ length: filtersA }, (_, f) => f)
      : matchFilters(cosinesOf(kernelA, kernelB, inputs, inputOf), filtersA, filtersB);
  const changes = filterChanges(kernelA, kernelB, inputs, match, inputOf);
  const matched = [...match.keys()].filter((f) => match[f]! >= 0);
  const to = matched.map((f) => match[f]!);
  const pick = (values: ArrayLike<number>): (number | null)[] => matched.map((f) => rounded(values[f]!));
  const parametersA = await readParameters(a, columnNorms(kernelA, filtersA));
  const parametersB = await readParameters(b, columnNorms(kernelB, filtersB));
  const filters: FilterTable = {
    from: matched,
    to,
    rescaling: pick(changes.rescaling),
    rotation: pick(changes.rotation),
    normA: pick(changes.normA),
    normB: pick(changes.normB),
    ...parametersOf('A', parametersA, matched),
    ...parametersOf('B', parametersB, to),
    onlyA: [...match.keys()].filter((f) => match[f]! < 0),
    onlyB: Array.from({ length: filtersB }, (_, f) => f).filter((f) => !to.includes(f)),
  };
  return {
    comparison: {
      ...comparison,
      movement: changes.movement,
      rescaling: spreadOf(changes.rescaling),
      rotation: spreadOf(changes.rotation),
      reordered: matched.filter((f) => match[f] !== f).length,
      filters,
    },
    ...(filtersA === filtersB ? { match } : {}),
  };
}

async function readKernel({ tensors, layer }: Side): Promise<Float32Array> {
  const name = `${layer.name}/kernel`;
  const { values } = (await tensors.read(name))!;
  let sum = 0;
  for (const value of values) sum += value;
  if (!Number.isFinite(sum) && !values.every(Number.isFinite))
    throw checkpointError(tensors.file, 'The tensor holds values that are not finite.', name);
  return values as Float32Array;
}

/** cos of every filter of A (rows) and of B (columns), float32: only the matching is made from them. */
function cosinesOf(
  a: Float32Array,
  b: Float32Array,
  inputs: number,
  inputOf: Int32Array | undefined,
): Float32Array {
  const [normsA, normsB] = [columnNorms(a, a.length / inputs), columnNorms(b, b.length / inputs)];
  const cosines = valuesOf(() => {
    const matrix = (values: Float32Array): tf.Tensor2D =>
      tf.tensor2d(values, [inputs, values.length / inputs]);
    const second = inputOf === undefined ? matrix(b) : tf.gather(matrix(b), tf.tensor1d(inputOf, 'int32'));
    // Transposed here: the WebAssembly runtime multiplies quickly only what is not to be transposed.
    return tf.matMul(tf.transpose(matrix(a)), second);
  });
  for (let f = 0, at = 0; f < normsA.length; f++)
    for (let g = 0; g < normsB.length; g++, at++) {
      const norms = normsA[f]! * normsB[g]!;
      cosines[at] = norms > 0 ? cosines[at]! / norms : 0;
    }
  return cosines;
}

type Parameters = Readonly<Partial<Record<'rho' | 'radius' | 'k', Float64Array>>>;

/** ρ, R (in the unit of ‖x‖) and k as the layer uses them, from what the checkpoint stores. @param norms ‖w‖ [F] */
async function readParameters({ tensors, layer }: Side, norms: Float64Array): Promise<Parameters> {
  const filters = norms.length;
  const read = (name: string): Promise<StoredTensor | undefined> => tensors.read(`${layer.name}/${name}`);
  const [rhoRoot, kRoot, mean] = [
    await read('rho_root'),
    await read('k_root'),
    await read('mean_patch_norm'),
  ];
  const perFilter = ({ values }: StoredTensor, compute: (root: number) => number): Float64Array =>
    Float64Array.from({ length: filters }, (_, f) => compute(values[values.length === 1 ? 0 : f]!));
  const rho = rhoRoot && perFilter(rhoRoot, (root) => root * root + rhoFloor);
  const scale = mean?.values[0] ?? 1;
  return {
    ...(rho
      ? { rho, radius: rho.map((value, f) => radiusFor(layer.weighting, value * scale, norms[f]!)) }
      : {}),
    ...(kRoot ? { k: perFilter(kRoot, (root) => Math.abs(root) + kFloor) } : {}),
  };
}

function parametersOf(
  side: 'A' | 'B',
  parameters: Parameters,
  order: readonly number[],
): Partial<FilterTable> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, values]) => [
      `${name}${side}`,
      order.map((f) => rounded(values[f]!)),
    ]),
  );
}

/** Six digits, near what float32 weights give; null where there is no number. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}

function spreadOf(values: Float64Array): Spread | undefined {
  const [p05, median, p95] = [0.05, 0.5, 0.95].map((share) => quantileOf(values, share));
  return p05 === undefined || median === undefined || p95 === undefined ? undefined : { p05, median, p95 };
}

/** Two networks can be run on one data set when they take images of one size and know as many classes. */
function noCommonData(a: Opened, b: Opened): string | undefined {
  if (a.inputShape.join() !== b.inputShape.join())
    return `A takes images of ${a.inputShape.join(' × ')} and B of ${b.inputShape.join(' × ')}, so there is no data to run both on.`;
  const [x, y] = [a.tensors.metadata.data, b.tensors.metadata.data];
  if (x.classNames.length !== y.classNames.length)
    return `A knows ${x.classNames.length} classes and B ${y.classNames.length}, so there is no data to judge both by.`;
  return undefined;
}
