import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import type { Attack, ErrorAnalysis, StoredErrors } from '../../core/verdict/analysis.js';
import type { Context } from '../../protocol/channel.js';
import type { AttackedImage, ErrorEvidence, WorkProgress } from '../../protocol/engine.js';
import type { DataImage } from '../../protocol/images.js';
import { checkpointSha256, readCheckpointMetadata } from '../checkpoint/checkpoint.js';
import { dataOf, type OpenedCheckpoint, openCheckpoint } from '../checkpoint/openCheckpoint.js';
import type { DataSet } from '../data/dataSet.js';
import type { DataStore } from '../data/dataStore.js';
import { dataImage, imageTensor, labelTensor } from '../data/images.js';
import { type Reading, readingFor } from '../data/reading.js';
import { writeStored } from '../inspection/store.js';
import { RunFolder } from '../training/runFolder.js';
import { attackSplit, type ErrorAttack, pixelsOf, underAttack } from './attack.js';
import { explainErrors } from './explain.js';
import { errorsFile, readErrors } from './store.js';

export interface ErrorDeskOptions {
  readonly mediaDirectory: string;
  readonly dataStore: DataStore;
  /** Name of the runtime. */
  readonly backend: string;
}

interface OfSplit {
  readonly checkpoint: string;
  readonly split: 'train' | 'test';
}

/** Everything that is asked about a checkpoint's errors. Its owner lets one request through at a time. */
export class ErrorDesk {
  /** The last answer: its evidence is asked for image by image. */
  #last: { readonly key: string; readonly stored: StoredErrors } | undefined;

  constructor(private readonly options: ErrorDeskOptions) {}

  /** @throws DcnetError `checkpoint`, `data` or `cancelled` */
  async explain(request: OfSplit, context: Context<WorkProgress>): Promise<ErrorAnalysis> {
    return (await this.#stored(request, context)).analysis;
  }

  /** @throws DcnetError as `explain`, or `usage` where the image is not an error */
  async evidence(
    { index, ...request }: OfSplit & { readonly index: number },
    context: Context<WorkProgress>,
  ): Promise<ErrorEvidence> {
    const { evidence } = await this.#stored(request, context);
    const found = evidence.find((one) => one.index === index);
    if (found === undefined)
      throw new DcnetError({
        code: 'usage',
        message: `Image ${index} of the ${request.split} split is classified rightly.`,
        remedy: 'Choose one of the errors.',
      });
    const data = await this.#dataOf(request.checkpoint, readingFor(context));
    const training = (at: number): DataImage => dataImage(data.train, data.info.shape, at);
    return {
      evidence: found,
      image: dataImage(data[request.split], data.info.shape, index),
      ...(found.donor === undefined ? {} : { donor: training(found.donor.index) }),
      neighbours: found.neighbours.map((neighbour) => training(neighbour.index)),
    };
  }

  /** @throws DcnetError `checkpoint`, `data`, or `usage` where there is no such image */
  async images({
    checkpoint,
    split,
    indices,
  }: OfSplit & { readonly indices: readonly number[] }): Promise<DataImage[]> {
    const data = await this.#dataOf(checkpoint);
    requireIndices(data, split, indices);
    return indices.map((index) => dataImage(data[split], data.info.shape, index));
  }

  /** @throws DcnetError `checkpoint`, `data` or `cancelled` */
  attack(
    { checkpoint, split, ...chosen }: OfSplit & ErrorAttack,
    { signal, report }: Context<WorkProgress>,
  ): Promise<Attack> {
    return this.#withModel(
      checkpoint,
      async ({ model, network }, data) => ({
        checkpoint,
        ...(await attackSplit(model, network, data, split, chosen, { signal, onProgress: report })),
      }),
      readingFor({ signal, report }),
    );
  }

  /** @throws DcnetError `checkpoint`, `data`, or `usage` where there is no such image */
  attackedImages({
    checkpoint,
    split,
    indices,
    ...chosen
  }: OfSplit & ErrorAttack & { readonly indices: readonly number[] }): Promise<AttackedImage[]> {
    return this.#withModel(checkpoint, async ({ model }, data) => {
      requireIndices(data, split, indices);
      const { shape } = data.info;
      const { images, labels } = data[split];
      let pixels: Uint8Array = new Uint8Array();
      if (indices.length > 0) {
        const [x, answers] = [
          imageTensor(images, shape, indices, model.normalization),
          labelTensor(labels, indices),
        ];
        try {
          const attacked = await underAttack(model, x, answers, indices, chosen);
          pixels = pixelsOf(attacked, model.normalization);
          attacked.dispose();
        } finally {
          tf.dispose([x, answers]);
        }
      }
      const size = shape[0] * shape[1] * shape[2];
      return indices.map((index, i) => {
        const before = dataImage(data[split], shape, index);
        const after = Buffer.from(pixels.subarray(i * size, (i + 1) * size)).toString('base64');
        return { before, after: { ...before, pixels: after } };
      });
    });
  }

  async #stored(
    { checkpoint: file, split }: OfSplit,
    { signal, report }: Context<WorkProgress>,
  ): Promise<StoredErrors> {
    const sha256 = await checkpointSha256(file);
    const folder = await RunFolder.ofCheckpoint(file);
    const key = JSON.stringify([file, split, sha256, folder?.name]);
    if (this.#last?.key === key) return this.#last.stored;
    const storedFile = folder === undefined ? undefined : errorsFile(folder, file, split);
    let stored = storedFile === undefined ? undefined : await readErrors(storedFile, sha256);
    if (stored === undefined) {
      stored = await this.#withModel(
        file,
        async ({ checkpoint, model, network }, data) => {
          const { explained, evidence } = await explainErrors(model, network, data, split, {
            signal,
            onProgress: report,
          });
          const analysis: ErrorAnalysis = {
            version: 1,
            checkpoint: file,
            checkpointSha256: checkpoint.sha256,
            epoch: checkpoint.metadata.epoch,
            step: checkpoint.metadata.step,
            data: data.info.name,
            split,
            backend: this.options.backend,
            classNames: [...data.info.classNames],
            ...explained,
          };
          return { analysis, evidence };
        },
        readingFor({ signal, report }),
      );
      if (storedFile !== undefined) await writeStored(storedFile, stored);
    }
    // The folder may have been renamed since.
    stored = { ...stored, analysis: { ...stored.analysis, checkpoint: file, run: folder?.name } };
    this.#last = { key, stored };
    return stored;
  }

  async #dataOf(file: string, reading: Reading = {}): Promise<DataSet> {
    const { mediaDirectory, dataStore } = this.options;
    const metadata = await readCheckpointMetadata(file);
    return dataOf({ file, metadata }, mediaDirectory, dataStore, reading);
  }

  async #withModel<T>(
    file: string,
    use: (opened: OpenedCheckpoint, data: DataSet) => Promise<T>,
    reading: Reading = {},
  ): Promise<T> {
    const opened = await openCheckpoint(file);
    try {
      const { mediaDirectory, dataStore } = this.options;
      return await use(opened, await dataOf(opened.checkpoint, mediaDirectory, dataStore, reading));
    } finally {
      opened.model.dispose();
    }
  }
}

function requireIndices(data: DataSet, split: 'train' | 'test', indices: readonly number[]): void {
  const wrong = indices.find((index) => index >= data[split].count);
  if (wrong === undefined) return;
  throw new DcnetError({
    code: 'usage',
    message: `There is no image ${wrong}: the ${split} split has ${data[split].count}.`,
    remedy: 'Count from 0.',
  });
}
