import { stat } from 'node:fs/promises';
import { type DataSet, loadData } from './dataSet.js';
import { type DataLocation, dataParts, findIdxFiles } from './location.js';

/** Keeps the data set that was used last, so that a training, its evaluation and its inspection read it once. */
export class DataStore {
  #kept: { readonly key: string; readonly data: Promise<DataSet> } | undefined;

  /** @throws DcnetError `data` */
  async load(location: DataLocation): Promise<DataSet> {
    const key = await keyOf(location);
    if (this.#kept?.key === key) return this.#kept.data;
    const kept = { key, data: loadData(location) };
    this.#kept = kept;
    // A failure is not kept: the next time the files are read again.
    kept.data.catch(() => {
      if (this.#kept === kept) this.#kept = undefined;
    });
    return kept.data;
  }
}

/** Changes whenever one of the files, or what the config says of them, does. */
async function keyOf(location: DataLocation): Promise<string> {
  const files = await findIdxFiles(location.directory);
  const stamps = await Promise.all(
    dataParts.map(async (part) => {
      const { size, mtimeMs } = await stat(files[part]);
      return [files[part], size, mtimeMs];
    }),
  );
  return JSON.stringify([location, stamps]);
}
