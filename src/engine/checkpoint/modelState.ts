import * as tf from '@tensorflow/tfjs-core';
import type { DcnetModel } from '../model/model.js';
import { type Checkpoint, checkpointError, type StoredTensor } from './checkpoint.js';

/** What the optimiser's tensors are called in a checkpoint: `optimizer/<slot>/<weight>`. */
export const optimizerPrefix = 'optimizer/';

/** Values of tensors, read back from the device. */
export async function readTensors(
  tensors: ReadonlyMap<string, tf.Tensor>,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const stored = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const values = await tensor.data();
    stored.set(name, {
      shape: tensor.shape,
      values: tensor.dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values),
    });
  }
  return stored;
}

/** A stored tensor on the device. */
export function toTensor({ shape, values }: StoredTensor): tf.Tensor {
  return tf.tensor(values, [...shape], values instanceof Int32Array ? 'int32' : 'float32');
}

/**
 * Put a checkpoint's weights into a model. Nothing is changed unless everything fits.
 * @throws DcnetError `checkpoint`, naming the tensor that is missing, left over, of another shape or not finite
 */
export function restoreModel(model: DcnetModel, checkpoint: Checkpoint): void {
  for (const [name, variable] of model.tensors)
    requireTensor(checkpoint, name, variable.shape, variable.dtype);
  for (const name of checkpoint.tensors.keys())
    if (!model.tensors.has(name) && !name.startsWith(optimizerPrefix))
      throw checkpointError(checkpoint.file, 'The network of the config has no such tensor.', name);
  tf.tidy(() => {
    for (const [name, variable] of model.tensors) variable.assign(toTensor(checkpoint.tensors.get(name)!));
  });
}

/**
 * A tensor of a checkpoint, which must be there, of this shape and type, and finite.
 * @throws DcnetError `checkpoint`, naming the tensor
 */
export function requireTensor(
  checkpoint: Checkpoint,
  name: string,
  shape: readonly number[],
  dtype: string,
): StoredTensor {
  const fail = (message: string): never => {
    throw checkpointError(checkpoint.file, message, name);
  };
  const stored = checkpoint.tensors.get(name);
  if (stored === undefined) return fail('The checkpoint lacks this tensor.');
  const type = stored.values instanceof Int32Array ? 'int32' : 'float32';
  if (type !== dtype) fail(`The tensor is of type ${type}, but the network’s is ${dtype}.`);
  if (stored.shape.length !== shape.length || stored.shape.some((size, i) => size !== shape[i]))
    fail(`The tensor is [${stored.shape.join(', ')}], but the network’s is [${shape.join(', ')}].`);
  if (!stored.values.every(Number.isFinite)) fail('The tensor holds values that are not finite.');
  return stored;
}
