import type { AttackTarget } from '../../core/attack/attack.js';
import { robustnessChecks } from '../../core/attack/checks.js';
import { describeAdversarial } from '../../core/config/trainingSchema.js';
import { DcnetError } from '../../core/errors.js';
import type { Context } from '../../protocol/channel.js';
import type { WorkProgress } from '../../protocol/engine.js';
import type { RobustnessReport } from '../../protocol/robustness.js';
import { checkpointError } from '../checkpoint/checkpoint.js';
import { dataOf, type OpenedCheckpoint, openCheckpoint } from '../checkpoint/openCheckpoint.js';
import type { DataStore } from '../data/dataStore.js';
import { readingFor } from '../data/reading.js';
import { describeMachine } from '../machine.js';
import { batchSize } from '../model/batchSize.js';
import { RunFolder } from '../training/runFolder.js';
import { measureRobustness, type RobustnessOptions } from './robustness.js';
import { targetOf } from './targets.js';

export interface RobustnessRequest extends Omit<RobustnessOptions, 'targeted'> {
  /** `false`: away from the image's own class. */
  readonly targeted: AttackTarget | false;
  /** Absolute. */
  readonly checkpoint: string;
  readonly split: 'train' | 'test';
  /** A checkpoint whose gradients make the attacks that are transferred; absolute. */
  readonly source?: string | undefined;
}

/**
 * Measure a checkpoint's robustness, and whether the measurement can be believed.
 * @throws DcnetError `checkpoint`, `data`, `cancelled`, or `usage` where the source or the target does not fit
 */
export async function robustnessOf(
  { checkpoint: file, split, source: sourceFile, targeted, ...options }: RobustnessRequest,
  context: Context<WorkProgress>,
  { mediaDirectory, dataStore, backend }: { mediaDirectory: string; dataStore: DataStore; backend: string },
): Promise<RobustnessReport> {
  if (sourceFile === file)
    throw new DcnetError({
      code: 'usage',
      message: 'The source of transferred attacks is the checkpoint itself: that is the white-box attack.',
      remedy: 'Name another checkpoint, or leave the source out.',
    });
  const opened = await openCheckpoint(file);
  let source: OpenedCheckpoint | undefined;
  try {
    const { checkpoint, model, network } = opened;
    const data = await dataOf(checkpoint, mediaDirectory, dataStore, readingFor(context));
    source = sourceFile === undefined ? undefined : await openCheckpoint(sourceFile);
    if (source !== undefined) requireSameTask(opened, source);
    const finite = model.trainable.every(({ variable }) => variable.dataSync().every(Number.isFinite));
    if (!finite) throw checkpointError(file, 'Some of its weights are not finite: it is of no use.');
    const batch = Math.max(1, batchSize(network) >> 1);
    const { sourceAccuracy, ...measured } = await measureRobustness(
      model,
      source?.model,
      data,
      split,
      { ...options, targeted: targeted && targetOf(targeted, data.info.classNames) },
      batch,
      context,
    );
    const { metadata, sha256 } = checkpoint;
    const run = (await RunFolder.ofCheckpoint(file))?.name;
    const { adversarial } = metadata.config;
    const { norm, epsilons, steps, stepSize, restarts, seed } = options;
    const measurement = {
      version: 1 as const,
      ...(run === undefined ? {} : { run }),
      checkpoint: file,
      checkpointSha256: sha256,
      epoch: metadata.epoch,
      step: metadata.step,
      data: data.info.name,
      backend,
      seed,
      norm,
      epsilons: [...epsilons],
      steps,
      ...(stepSize === undefined ? {} : { stepSize }),
      restarts,
      ...(adversarial === undefined ? {} : { adversarial: describeAdversarial(adversarial) }),
      ...(source === undefined ? {} : { source: await describeSource(source, sourceAccuracy!) }),
      ...measured,
    };
    return {
      dcnetVersion: describeMachine().dcnetVersion,
      writtenAt: new Date().toISOString(),
      measurement,
      checks: [...robustnessChecks(measurement)],
    };
  } finally {
    opened.model.dispose();
    source?.model.dispose();
  }
}

async function describeSource({ checkpoint: { file, sha256 } }: OpenedCheckpoint, accuracy: number) {
  const run = (await RunFolder.ofCheckpoint(file))?.name;
  return { checkpoint: file, checkpointSha256: sha256, run, accuracy };
}

/** Another network may be of another kind, but must tell the same classes of the same images apart. */
function requireSameTask(a: OpenedCheckpoint, b: OpenedCheckpoint): void {
  const task = ({ checkpoint, network }: OpenedCheckpoint): string =>
    JSON.stringify([network.inputShape, checkpoint.metadata.data.classNames]);
  if (task(a) === task(b)) return;
  throw new DcnetError({
    code: 'usage',
    message:
      'The source takes other images or tells other classes apart: no attack can be transferred from it.',
    remedy: 'Choose a checkpoint that was trained on the same kind of data.',
    file: b.checkpoint.file,
  });
}
