import { DcnetError } from '../../core/errors.js';
import { throwIfCancelled } from '../cancelled.js';
import { fileStamps } from './dataFiles.js';
import { type DataSet, dataFiles, loadData } from './dataSet.js';
import type { DataLocation } from './location.js';
import type { Reading } from './reading.js';

/** Keeps the data set that was used last, so that a training, its evaluation and its inspection read it once. */
export class DataStore {
  #kept: { readonly key: string; readonly data: Promise<DataSet> } | undefined;

  /**
   * Who asks for what is being read already waits for that reading, and hears nothing of its progress.
   * @throws DcnetError `data`, `cancelled`
   */
  async load(location: DataLocation, reading: Reading = {}): Promise<DataSet> {
    // Changes whenever one of the files, or what the config says of them, does.
    const key = JSON.stringify([location, await fileStamps(await dataFiles(location))]);
    if (this.#kept?.key === key) {
      try {
        return await this.#kept.data;
      } catch (thrown) {
        // Whoever began it gave it up: that is no reason not to read it.
        if (!(thrown instanceof DcnetError && thrown.details.code === 'cancelled')) throw thrown;
        throwIfCancelled(reading.signal);
        return this.load(location, reading);
      }
    }
    const kept = { key, data: loadData(location, reading) };
    this.#kept = kept;
    // A failure is not kept: the next time the files are read again.
    kept.data.catch(() => {
      if (this.#kept === kept) this.#kept = undefined;
    });
    return kept.data;
  }
}
