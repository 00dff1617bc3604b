import path from 'node:path';
import type { DataConfig } from '../../core/config/dataSchema.js';

type ImagesConfig = Extract<DataConfig, { images: unknown }>;
type NpyConfig = Extract<DataConfig, { npy: unknown }>;

/** What the files of a data set are, and what has to be known to read them. */
type DataForm =
  | { readonly kind: 'idx' }
  | { readonly kind: 'cifar10' }
  | { readonly kind: 'cifar100'; readonly labels: 'fine' | 'coarse' }
  | ({ readonly kind: 'images' } & Pick<ImagesConfig, 'size' | 'color' | 'testShare'>)
  /** Absolute. */
  | { readonly kind: 'npz'; readonly file: string }
  | { readonly kind: 'npy'; readonly files: NpyConfig['npy'] };

/** Where a config's data lie. */
export type DataLocation = {
  /** For people: the bundled name or the folder's. */
  readonly name: string;
  readonly directory: string;
  /** Names of the classes that the config gives. */
  readonly classNames: readonly string[] | undefined;
} & DataForm;

/** A data set of one kind. */
export type LocatedAs<Kind extends DataLocation['kind']> = Extract<DataLocation, { readonly kind: Kind }>;

/**
 * @param configDirectory what relative paths are relative to
 * @param mediaDirectory the extension's `media` folder, where the bundled data sets are
 */
export function locateData(data: DataConfig, configDirectory: string, mediaDirectory: string): DataLocation {
  if ('dataset' in data)
    return {
      kind: 'idx',
      name: data.dataset,
      directory: path.join(mediaDirectory, data.dataset),
      classNames: undefined,
    };
  const absolute = (place: string): string => path.resolve(configDirectory, place);
  const inFolder = (place: string) => {
    const directory = absolute(place);
    return { name: path.basename(directory), directory, classNames: undefined };
  };
  if ('idx' in data) return { ...inFolder(data.idx), kind: 'idx', classNames: data.classNames };
  if ('cifar10' in data) return { ...inFolder(data.cifar10), kind: 'cifar10' };
  if ('cifar100' in data) return { ...inFolder(data.cifar100), kind: 'cifar100', labels: data.labels };
  if ('images' in data) {
    const { images, size, color, testShare } = data;
    return { ...inFolder(images), kind: 'images', size, color, testShare };
  }
  if ('npz' in data) {
    const file = absolute(data.npz);
    return {
      ...inFolder(path.dirname(file)),
      kind: 'npz',
      name: path.basename(file),
      file,
      classNames: data.classNames,
    };
  }
  const { trainImages, trainLabels, testImages, testLabels } = data.npy;
  const files = {
    trainImages: absolute(trainImages),
    trainLabels: absolute(trainLabels),
    testImages: absolute(testImages),
    testLabels: absolute(testLabels),
  };
  return {
    ...inFolder(path.dirname(files.trainImages)),
    kind: 'npy',
    name: path.basename(files.trainImages),
    files,
    classNames: data.classNames,
  };
}
