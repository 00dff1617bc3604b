import path from 'node:path';
import type { DataInfo } from '../../protocol/engine.js';
import { describeCifar, findCifarFiles, loadCifar } from './cifarData.js';
import { dataError } from './dataFiles.js';
import { describeIdx, findIdxFiles, loadIdx } from './idxData.js';
import { listImageFolder } from './imageFolder.js';
import { describeImages, loadImages } from './imagesData.js';
import type { DataLocation } from './location.js';
import { describeNumpy, loadNumpy } from './numpyData.js';
import type { Reading } from './reading.js';
import type { BothSplits, LoadedSplits, Split, SplitContent } from './split.js';

export interface DataSet {
  readonly info: DataInfo;
  /** SHA-256 of what the files hold: the same however they are packed. */
  readonly sha256: string;
  readonly train: Split;
  readonly test: Split;
}

/**
 * Shape, classes and sizes of a data set: reads as little of the images as tells them.
 * @throws DcnetError `data`, naming the file
 */
export async function describeData(location: DataLocation): Promise<DataInfo> {
  return check(location, await describeFiles(location));
}

/**
 * Read a whole data set; images of a large one stay on the disk.
 * @throws DcnetError `data`, naming the file; `cancelled`
 */
export async function loadData(location: DataLocation, reading: Reading = {}): Promise<DataSet> {
  const loaded = await loadFiles(location, reading);
  const info = check(location, loaded);
  return { info, sha256: loaded.sha256, train: splitOf(loaded.train), test: splitOf(loaded.test) };
}

/** The files that a data set is made of. @throws DcnetError `data` */
export async function dataFiles(location: DataLocation): Promise<readonly string[]> {
  switch (location.kind) {
    case 'idx':
      return Object.values(await findIdxFiles(location.directory));
    case 'cifar10':
    case 'cifar100': {
      const { train, test, names } = await findCifarFiles(location);
      return [...train, ...test, names];
    }
    case 'images': {
      const { train, test } = await listImageFolder(location);
      return [...train, ...test].map(({ file }) => file);
    }
    case 'npz':
      return [location.file];
    case 'npy':
      return Object.values(location.files);
  }
}

function describeFiles(location: DataLocation): Promise<BothSplits> {
  switch (location.kind) {
    case 'idx':
      return describeIdx(location);
    case 'cifar10':
    case 'cifar100':
      return describeCifar(location);
    case 'images':
      return describeImages(location);
    case 'npz':
    case 'npy':
      return describeNumpy(location);
  }
}

function loadFiles(location: DataLocation, reading: Reading): Promise<LoadedSplits> {
  switch (location.kind) {
    case 'idx':
      return loadIdx(location, reading);
    case 'cifar10':
    case 'cifar100':
      return loadCifar(location, reading);
    case 'images':
      return loadImages(location, reading);
    case 'npz':
    case 'npy':
      return loadNumpy(location, reading);
  }
}

function splitOf({ images, labels }: SplitContent): Split {
  return { count: labels.length, images, labels };
}

/** Images and labels must be of one number, train and test of one size, and every label a class. */
function check(location: DataLocation, { train, test, ...files }: BothSplits): DataInfo {
  for (const { dimensions, labelCount, files: blamed } of [train, test])
    if (dimensions[0] !== labelCount)
      throw dataError(
        blamed[1],
        `The file has ${labelCount.toLocaleString('en')} labels, but ${path.basename(blamed[0])} has ${dimensions[0].toLocaleString('en')} images.`,
        'Use images and labels of one split.',
      );
  const [, height, width, channels] = train.dimensions;
  const [, testHeight, testWidth, testChannels] = test.dimensions;
  const shape = (...sizes: readonly number[]): string =>
    (channels === testChannels ? sizes.slice(0, 2) : sizes).join('×');
  if (height !== testHeight || width !== testWidth || channels !== testChannels)
    throw dataError(
      test.files[0],
      `The test images are ${shape(testHeight, testWidth, testChannels)}, but the training images ${shape(height, width, channels)}.`,
      'Use splits of one data set.',
    );
  if (channels !== 1 && channels !== 3)
    throw dataError(
      train.files[0],
      `The images have ${channels} channels.`,
      'Use grey images (one channel) or red, green and blue (three).',
    );

  const largest = Math.max(train.largestLabel, test.largestLabel);
  const classNames =
    location.classNames ??
    files.classNames ??
    Array.from({ length: largest + 1 }, (_, label) => String(label));
  if (classNames.length < 2)
    throw dataError(
      train.files[1],
      'Every image has the same label, so there is nothing to learn.',
      'Use data of two classes or more.',
    );
  for (const { largestLabel, files: blamed } of [train, test])
    if (largestLabel >= classNames.length)
      throw dataError(
        blamed[1],
        `The file has a label ${largestLabel}, but there are names for ${classNames.length} classes only.`,
        files.namesRemedy,
      );
  return {
    name: location.name,
    shape: [height, width, channels],
    classes: classNames.length,
    classNames: [...classNames],
    trainImages: train.labelCount,
    testImages: test.labelCount,
  };
}
