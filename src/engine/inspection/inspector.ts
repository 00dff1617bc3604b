import type { Network } from '../../core/config/network.js';
import { DcnetError } from '../../core/errors.js';
import type { Inspection, Selection } from '../../core/statistics/inspection.js';
import { restrictInspection } from '../../core/statistics/splits.js';
import type { Context } from '../../protocol/channel.js';
import {
  type FilterAngles,
  type ImageMaps,
  mostMatrixFilters,
  type SampleImages,
  type WorkProgress,
} from '../../protocol/engine.js';
import { checkpointSha256 } from '../checkpoint/checkpoint.js';
import { dataOf, openCheckpoint } from '../checkpoint/openCheckpoint.js';
import type { DataSet } from '../data/dataSet.js';
import type { DataStore } from '../data/dataStore.js';
import { dataImage } from '../data/images.js';
import { type Reading, readingFor } from '../data/reading.js';
import type { DcnetModel } from '../model/model.js';
import { RunFolder } from '../training/runFolder.js';
import { anglesBetween, filtersOf } from './filterGeometry.js';
import { readGroups, type StoredGroups, writeGroups } from './groupStore.js';
import { imageMaps, measuredLayer } from './imageMaps.js';
import { inspectModel } from './inspect.js';
import { inspectionFile, readInspection, writeStored } from './store.js';

interface SplitOfCheckpoint {
  readonly checkpoint: string;
  readonly split: 'train' | 'test';
}

export interface InspectRequest extends SplitOfCheckpoint {
  /** At most so many images from the split's start; nothing is stored then. */
  readonly limit?: number | undefined;
  /** Left out: all images. */
  readonly selection?: Selection | undefined;
}

interface Opened {
  readonly model: DcnetModel;
  readonly network: Network;
  readonly data: DataSet;
  readonly epoch: number;
  readonly step: number;
}

/** Looks into checkpoints, and keeps what takes long in the run's folder. */
export class Inspector {
  /** What was measured last: a checkpoint outside a run's folder has no other place to keep it. */
  #last: { readonly key: string; readonly inspection: Inspection; readonly groups: StoredGroups } | undefined;

  constructor(
    private readonly backend: string,
    private readonly mediaDirectory: string,
    private readonly dataStore: DataStore,
  ) {}

  /**
   * Norms and angles of every layer over a split or a selection of its images. A whole split's are stored in the run's
   * folder, and read from there as long as the checkpoint's file is the same.
   * @throws DcnetError `checkpoint`, `data` or `cancelled`
   */
  async inspect(request: InspectRequest, context: Context<WorkProgress>): Promise<Inspection> {
    const { selection } = request;
    if (selection?.label === undefined && selection?.outcome === undefined)
      return (await this.#measured(request, context, false)).inspection;
    const { inspection, groups } = await this.#measured(request, context, true);
    return restrictInspection(inspection, groups!.layers, selection);
  }

  /** @throws DcnetError `checkpoint`, `data` or `usage` */
  imageMaps({
    checkpoint,
    split,
    ...what
  }: SplitOfCheckpoint & {
    readonly index: number;
    readonly layer: string;
    readonly filter: number;
  }): Promise<ImageMaps> {
    return this.#with(checkpoint, async ({ model, network, data }) =>
      imageMaps(model, network, data, split, what),
    );
  }

  /** @throws DcnetError `checkpoint`, `data` or `cancelled` */
  async sampleImages(
    {
      selection: { label, outcome },
      from,
      count,
      ...request
    }: SplitOfCheckpoint & { readonly selection: Selection; readonly from: number; readonly count: number },
    context: Context<WorkProgress>,
  ): Promise<SampleImages> {
    const { groups } = await this.#measured(request, context, true);
    const { predictions } = groups!;
    return this.#with(
      request.checkpoint,
      async ({ data }) => {
        const split = data[request.split];
        const wanted = Array.from(predictions.keys()).filter((image) => {
          const isRight = predictions[image] === split.labels[image];
          return (
            (label === undefined || split.labels[image] === label) &&
            (outcome === undefined || isRight === (outcome === 'right'))
          );
        });
        return {
          count: wanted.length,
          images: wanted.slice(from, from + count).map((image) => ({
            ...dataImage(split, data.info.shape, image),
            predicted: predictions[image]!,
          })),
        };
      },
      readingFor(context),
    );
  }

  /** @throws DcnetError `checkpoint`, `data`, or `usage` for a layer without filters or with too many */
  filterAngles({
    checkpoint,
    layer,
  }: {
    readonly checkpoint: string;
    readonly layer: string;
  }): Promise<FilterAngles> {
    return this.#with(checkpoint, async ({ model, network }) => {
      const filters = filtersOf(model, measuredLayer(network, layer).name);
      const { count } = filters;
      if (count > mostMatrixFilters)
        throw new DcnetError({
          code: 'usage',
          message: `${layer} has ${count} filters; the matrix of their angles is shown up to ${mostMatrixFilters}.`,
          remedy: 'The table of filters has the angle of each to its nearest.',
          field: layer,
        });
      return anglesBetween(filters);
    });
  }

  /** @param withGroups measure again where only the inspection itself is stored */
  async #measured(
    { checkpoint: file, split, limit }: InspectRequest,
    { signal, report }: Context<WorkProgress>,
    withGroups: boolean,
  ): Promise<{ readonly inspection: Inspection; readonly groups: StoredGroups | undefined }> {
    const folder = await RunFolder.ofCheckpoint(file);
    const stored =
      folder === undefined || limit !== undefined ? undefined : inspectionFile(folder, file, split);
    const sha256 = await checkpointSha256(file);
    const key = `${sha256} ${split} ${limit}`;
    if (this.#last?.key === key) {
      const { inspection, groups } = this.#last;
      return { inspection: { ...inspection, checkpoint: file, run: folder?.name }, groups };
    }
    if (stored !== undefined) {
      const known = await readInspection(stored, sha256);
      const groups = withGroups ? await readGroups(stored, sha256) : undefined;
      // The folder may have been renamed since.
      if (known !== undefined && (groups !== undefined || !withGroups))
        return { inspection: { ...known, checkpoint: file, run: folder?.name }, groups };
    }
    return this.#with(
      file,
      async ({ model, network, data, epoch, step }) => {
        const measured = await inspectModel(model, network, data, split, {
          limit,
          signal,
          onProgress: report,
        });
        const inspection: Inspection = {
          version: 1,
          run: folder?.name,
          checkpoint: file,
          checkpointSha256: sha256,
          epoch,
          step,
          data: data.info.name,
          split,
          sampleSize: measured.sampleSize,
          accuracy: measured.accuracy,
          classes: [...measured.classes],
          backend: this.backend,
          layers: [...measured.layers],
        };
        const groups = { predictions: measured.predictions, layers: measured.groups };
        if (stored !== undefined) {
          await writeGroups(stored, sha256, groups);
          await writeStored(stored, inspection);
        }
        this.#last = { key, inspection, groups };
        return { inspection, groups };
      },
      readingFor({ signal, report }),
    );
  }

  async #with<T>(file: string, use: (opened: Opened) => Promise<T>, reading: Reading = {}): Promise<T> {
    const { checkpoint, network, model } = await openCheckpoint(file);
    try {
      const data = await dataOf(checkpoint, this.mediaDirectory, this.dataStore, reading);
      const { epoch, step } = checkpoint.metadata;
      return await use({ model, network, data, epoch, step });
    } finally {
      model.dispose();
    }
  }
}
