import path from 'node:path';
import { type Network, resolveNetwork } from '../../core/config/network.js';
import { requireConfig } from '../../core/config/parse.js';
import type { Config } from '../../core/config/schema.js';
import type { MetricsRecord } from '../../core/run/run.js';
import type { Runtime } from '../backend/backend.js';
import { readCheckpoint } from '../checkpoint/checkpoint.js';
import type { CheckpointMetadata } from '../checkpoint/metadata.js';
import { restoreModel } from '../checkpoint/modelState.js';
import { requireSameData } from '../checkpoint/openCheckpoint.js';
import type { DataSet } from '../data/dataSet.js';
import type { DataStore } from '../data/dataStore.js';
import { locateData } from '../data/location.js';
import type { Reading } from '../data/reading.js';
import { buildModel, type DcnetModel } from '../model/model.js';
import { type TrainingLength, trainingLength } from './batches.js';
import { describeEnvironment, goingOnWith } from './environment.js';
import { createOptimizer, type TrainOptimizer } from './optimizer.js';
import type { RunFolder } from './runFolder.js';

/** What a run needs to be carried out. */
export interface RunPlan {
  readonly configText: string;
  /** Where the config was read: relative data paths start there. */
  readonly configFile: string;
  readonly runtime: Runtime;
  readonly mediaDirectory: string;
  readonly dataStore: DataStore;
  /** Go on from the newest checkpoint. */
  readonly resume: boolean;
  /** In so many parts each batch is computed, from 1. */
  readonly parts: number;
  /** Why this runtime computes it, where another one did before. */
  readonly because?: string | undefined;
}

/** A run ready to take its next step. */
export interface Prepared {
  readonly config: Config;
  readonly network: Network;
  readonly data: DataSet;
  readonly model: DcnetModel;
  readonly optimizer: TrainOptimizer;
  readonly length: TrainingLength;
  /** The checkpoint it goes on from, and what that says; nothing and 0 at the start. */
  readonly checkpointFile: string | undefined;
  readonly metrics: CheckpointMetadata['metrics'];
  readonly finishedSteps: number;
  /** Seconds of training that the finished steps took. */
  readonly secondsBefore: number;
}

/**
 * Load a run's data, make its network and, where it goes on, restore its newest checkpoint.
 * @throws DcnetError `config`, `data`, `checkpoint`, `io` or `cancelled`; no tensor is left then
 */
export async function prepareRun(plan: RunPlan, folder: RunFolder, reading: Reading): Promise<Prepared> {
  const { config: unchecked } = requireConfig(plan.configText, plan.configFile);
  const location = locateData(unchecked.data, path.dirname(plan.configFile), plan.mediaDirectory);
  const data = await plan.dataStore.load(location, reading);
  const { config: read } = requireConfig(plan.configText, plan.configFile, data.info);
  const length = trainingLength(read, data.train.count);
  const { stepsPerEpoch } = length;
  await folder.makeCheckpointsDirectory();
  const checkpointFile = plan.resume ? await folder.newestCheckpoint(stepsPerEpoch) : undefined;
  const checkpoint = checkpointFile === undefined ? undefined : await readCheckpoint(checkpointFile);
  if (checkpoint !== undefined) requireSameData(checkpoint, data);
  // A preset may stand for other layers by now than when the run began.
  const config = { ...read, layers: checkpoint?.metadata.config.layers ?? read.layers };
  const { network } = resolveNetwork(config, data.info);
  if (network === undefined) throw new Error('A config without errors gave no network.');
  const finishedSteps = checkpoint?.metadata.step ?? 0;
  const before = await folder.readEnvironment();
  const environment =
    before === undefined
      ? await describeEnvironment(plan.runtime, data, config.seed, plan.configFile)
      : goingOnWith(before, plan.runtime, finishedSteps);
  if (environment !== before) await folder.writeEnvironment(environment);
  const secondsBefore = finishedSteps === 0 ? 0 : secondsAt(await folder.readMetrics(), finishedSteps);

  const model = buildModel(network, { seed: config.seed, averageDecay: config.averageDecay });
  const optimizer = createOptimizer(config.optimizer, model.trainable);
  try {
    if (checkpoint !== undefined) {
      restoreModel(model, checkpoint);
      if (finishedSteps > 0) optimizer.restore(checkpoint);
    }
  } catch (thrown) {
    model.dispose();
    optimizer.dispose();
    throw thrown;
  }
  const metrics = checkpoint?.metadata.metrics ?? {};
  return {
    config,
    network,
    data,
    model,
    optimizer,
    length,
    checkpointFile,
    metrics,
    finishedSteps,
    secondsBefore,
  };
}

/** Seconds of training until a step, as the log has them. */
function secondsAt(records: readonly MetricsRecord[], step: number): number {
  const seconds = records.flatMap((record) =>
    record.type !== 'event' && record.step <= step ? [record.seconds] : [],
  );
  return seconds.at(-1) ?? 0;
}
