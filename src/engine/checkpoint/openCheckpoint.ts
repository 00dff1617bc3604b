import path from 'node:path';
import { type Network, resolveNetwork } from '../../core/config/network.js';
import { DcnetError } from '../../core/errors.js';
import { centreCropped } from '../data/crop.js';
import type { DataSet } from '../data/dataSet.js';
import type { DataStore } from '../data/dataStore.js';
import { locateData } from '../data/location.js';
import type { Reading } from '../data/reading.js';
import { buildModel, type DcnetModel } from '../model/model.js';
import { RunFolder } from '../training/runFolder.js';
import { type Checkpoint, checkpointError, readCheckpoint } from './checkpoint.js';
import { requireTensor, restoreModel } from './modelState.js';

export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly network: Network;
  /** With the checkpoint's weights; the caller disposes it. */
  readonly model: DcnetModel;
}

/**
 * Read a checkpoint and rebuild its network.
 * @throws DcnetError `checkpoint`, naming the file and what does not fit
 */
export async function openCheckpoint(file: string): Promise<OpenedCheckpoint> {
  const checkpoint = await readCheckpoint(file);
  const { config, data } = checkpoint.metadata;
  const { network, problems } = resolveNetwork(config, {
    shape: data.shape,
    classes: data.classNames.length,
  });
  if (network === undefined) {
    const why = problems.find(({ severity }) => severity === 'error')?.message ?? 'its layers do not fit.';
    throw checkpointError(file, `The config in the checkpoint is not valid: ${why}`, '__metadata__');
  }
  requireKernels(checkpoint, network);
  const model = buildModel(network, { seed: config.seed, averageDecay: config.averageDecay });
  try {
    restoreModel(model, checkpoint);
  } catch (thrown) {
    model.dispose();
    throw thrown;
  }
  return { checkpoint, network, model };
}

/** Before any memory is taken for the network that a (damaged) config describes: the file must hold its weights. */
function requireKernels(checkpoint: Checkpoint, network: Network): void {
  for (const layer of network.layers) {
    const inputs = layer.inputShape.at(-1)!;
    if (layer.type === 'conv')
      requireTensor(
        checkpoint,
        `${layer.name}/kernel`,
        [layer.kernel, layer.kernel, inputs, layer.filters],
        'float32',
      );
    if (layer.type === 'dense')
      requireTensor(checkpoint, `${layer.name}/kernel`, [inputs, layer.units], 'float32');
    if (layer.type === 'add' && layer.projection !== undefined)
      requireTensor(
        checkpoint,
        `${layer.name}/projection/kernel`,
        [1, 1, layer.fromShape.at(-1)!, inputs],
        'float32',
      );
  }
}

/** What a checkpoint says of itself. */
type Described = Pick<Checkpoint, 'file' | 'metadata'>;

/**
 * The data that a checkpoint was trained on, as its network sees them at test time.
 * @param place where the checkpoint belongs, for one that was copied elsewhere
 * @throws DcnetError `data` when they are gone or have changed; `cancelled`
 */
export async function dataOf(
  checkpoint: Described,
  mediaDirectory: string,
  dataStore: DataStore,
  reading: Reading = {},
  place: string = checkpoint.file,
): Promise<DataSet> {
  const { metadata } = checkpoint;
  const configFile = (await (await RunFolder.ofCheckpoint(place))?.readEnvironment())?.configFile;
  const location = locateData(metadata.config.data, path.dirname(configFile ?? place), mediaDirectory);
  const data = await dataStore.load(location, reading);
  requireSameData(checkpoint, data);
  return centreCropped(data, metadata.config.augmentation?.crop);
}

/**
 * A training goes on, and a checkpoint is looked into, with the data it was trained on.
 * @param data whole, not cropped
 * @throws DcnetError `data`
 */
export function requireSameData({ file, metadata }: Described, data: DataSet): void {
  const { sha256, shape, classNames } = metadata.data;
  const same =
    sha256 === data.sha256 &&
    shape.every((size, i) => size === data.info.shape[i]) &&
    classNames.length === data.info.classes;
  if (same) return;
  throw new DcnetError({
    code: 'data',
    message: `The data set ${data.info.name} is not the one that this checkpoint was trained on: its files have changed.`,
    remedy: 'Restore the files as they were, or train again.',
    file,
  });
}
