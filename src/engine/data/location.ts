import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { DataConfig } from '../../core/config/schema.js';
import { DcnetError } from '../../core/errors.js';

/** Where a config's data lie. */
export interface DataLocation {
  /** For people: the bundled name or the folder's. */
  readonly name: string;
  readonly directory: string;
  /** Names of the classes that the config gives. */
  readonly classNames: readonly string[] | undefined;
}

/**
 * @param configDirectory what a relative `idx` folder is relative to
 * @param mediaDirectory the extension's `media` folder, where the bundled data sets are
 */
export function locateData(data: DataConfig, configDirectory: string, mediaDirectory: string): DataLocation {
  if ('dataset' in data)
    return {
      name: data.dataset,
      directory: path.join(mediaDirectory, data.dataset),
      classNames: undefined,
    };
  const directory = path.resolve(configDirectory, data.idx);
  return { name: path.basename(directory), directory, classNames: data.classNames };
}

const parts = {
  trainImages: ['train-images', 'idx3'],
  trainLabels: ['train-labels', 'idx1'],
  testImages: ['t10k-images', 'idx3'],
  testLabels: ['t10k-labels', 'idx1'],
} as const;
export type DataPart = keyof typeof parts;

/** The four files of a data set, in the order in which they are read and hashed. */
export const dataParts = Object.keys(parts) as readonly DataPart[];

/**
 * The four IDX files of a folder: `train-images-idx3-ubyte` and so on, also `train-images.idx3-ubyte`, each with or
 * without `.gz`.
 * @throws DcnetError `data`: the folder cannot be read, or a file is missing
 */
export async function findIdxFiles(directory: string): Promise<Readonly<Record<DataPart, string>>> {
  let names: ReadonlySet<string>;
  try {
    names = new Set(await readdir(directory));
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    throw new DcnetError(
      {
        code: 'data',
        message:
          code === 'ENOENT'
            ? 'The data set’s folder does not exist.'
            : code === 'ENOTDIR'
              ? 'The data set is a file, not a folder.'
              : `The data set’s folder cannot be read (${message}).`,
        remedy: 'Correct data.idx in the config: a folder of IDX files, relative to the config.',
        file: directory,
      },
      { cause: thrown },
    );
  }
  const find = (part: DataPart): string => {
    const [stem, rank] = parts[part];
    const candidates = [`${stem}-${rank}-ubyte`, `${stem}.${rank}-ubyte`].flatMap((name) => [
      name,
      `${name}.gz`,
    ]);
    const found = candidates.find((name) => names.has(name));
    if (found !== undefined) return path.join(directory, found);
    throw new DcnetError({
      code: 'data',
      message: `The folder has no file ${candidates[0]} (or ${candidates.slice(1).join(', ')}).`,
      remedy: 'Put the four IDX files of the data set into this folder, or correct data.idx in the config.',
      file: directory,
    });
  };
  return {
    trainImages: find('trainImages'),
    trainLabels: find('trainLabels'),
    testImages: find('testImages'),
    testLabels: find('testLabels'),
  };
}
