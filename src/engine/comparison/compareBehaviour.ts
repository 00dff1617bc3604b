import type { BehaviourComparison } from '../../core/comparison/comparison.js';
import { DcnetError } from '../../core/errors.js';
import type { Inspection, LayerInspection } from '../../core/statistics/inspection.js';
import type { Context } from '../../protocol/channel.js';
import type { ComparedFile, WorkProgress } from '../../protocol/engine.js';
import { dataOf, type OpenedCheckpoint, openCheckpoint } from '../checkpoint/openCheckpoint.js';
import type { DataSet } from '../data/dataSet.js';
import type { DataStore } from '../data/dataStore.js';
import { readingFor } from '../data/reading.js';
import { inspectModel } from '../inspection/inspect.js';
import { RunFolder } from '../training/runFolder.js';
import { compareDistributions, comparePredictions } from './behaviour.js';

export interface BehaviourServices {
  readonly mediaDirectory: string;
  readonly dataStore: DataStore;
  readonly backend: string;
  /** Measure a run's checkpoint on its own data's test split and store it, or read what is stored. */
  readonly inspect: (checkpoint: string, report: (progress: WorkProgress) => void) => Promise<Inspection>;
}

/**
 * Run two checkpoints on the test split of A's data.
 * @throws DcnetError `checkpoint`, `data`, `cancelled`, or `usage` when both cannot be run on one data set
 */
export async function compareBehaviour(
  files: { readonly a: ComparedFile; readonly b: ComparedFile },
  { signal, report }: Context<WorkProgress>,
  services: BehaviourServices,
): Promise<BehaviourComparison> {
  const a = await openCheckpoint(files.a.file);
  try {
    const b = await openCheckpoint(files.b.file);
    try {
      const place = files.a.standsFor?.file;
      const { mediaDirectory, dataStore } = services;
      const data = await dataOf(
        a.checkpoint,
        mediaDirectory,
        dataStore,
        readingFor({ signal, report }),
        place,
      );
      requireCommonData(a, b);
      const options = { signal, onProgress: report };
      const predictions = await comparePredictions(a, b, data, options);
      const measure = async (
        side: string,
        { file, standsFor }: ComparedFile,
        opened: OpenedCheckpoint,
      ): Promise<readonly LayerInspection[]> => {
        const told = (progress: WorkProgress): void =>
          report({ ...progress, activity: `${progress.activity} of ${side}` });
        const own = opened.checkpoint.metadata.data.sha256 === data.sha256;
        const stored = own && standsFor === undefined && (await RunFolder.ofCheckpoint(file)) !== undefined;
        if (stored) return (await services.inspect(file, told)).layers;
        const { model, network } = opened;
        return (await inspectModel(model, network, data, 'test', { signal, onProgress: told })).layers;
      };
      const layersA = await measure('A', files.a, a);
      const layersB = await measure('B', files.b, b);
      const shapes = (side: 'a' | 'b', layer: string): readonly number[] =>
        (side === 'a' ? a : b).checkpoint.tensors.get(`${layer}/kernel`)?.shape ?? [];
      return {
        data: data.info.name,
        split: 'test',
        backend: services.backend,
        ...otherData(b, data),
        ...predictions,
        layers: compareDistributions(layersA, layersB, shapes, predictions.cka),
      };
    } finally {
      b.model.dispose();
    }
  } finally {
    a.model.dispose();
  }
}

function otherData({ checkpoint }: OpenedCheckpoint, data: DataSet): { readonly otherData?: string } {
  const { sha256, name } = checkpoint.metadata.data;
  return sha256 === data.sha256 ? {} : { otherData: name };
}

function requireCommonData(a: OpenedCheckpoint, b: OpenedCheckpoint): void {
  const [x, y] = [a.network, b.network];
  if (x.inputShape.join() === y.inputShape.join() && x.classes === y.classes) return;
  throw new DcnetError({
    code: 'usage',
    message: 'The two networks take images of different sizes or know different numbers of classes.',
    remedy: 'Compare networks that were trained on data of one form.',
  });
}
