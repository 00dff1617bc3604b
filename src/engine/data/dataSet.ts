import { createHash, type Hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DcnetError } from '../../core/errors.js';
import type { DataInfo } from '../../protocol/engine.js';
import { readIdxFile, readIdxHeader } from './idxFile.js';
import { type DataLocation, findIdxFiles } from './location.js';

/** One split in memory, a byte a pixel. */
export interface Split {
  readonly count: number;
  /** [N, H, W, C], row-major. */
  readonly images: Uint8Array;
  /** [N]. */
  readonly labels: Uint8Array;
}

export interface DataSet {
  readonly info: DataInfo;
  /** SHA-256 of the four files' unpacked bytes: the same however they are packed. */
  readonly sha256: string;
  readonly train: Split;
  readonly test: Split;
}

/** A class-name file may not be longer than this. */
const longestLabelsFile = 2 ** 20;

/**
 * Shape, classes and sizes of a data set: reads the labels and the headers of the images.
 * @throws DcnetError `data`, naming the file
 */
export async function describeData(location: DataLocation): Promise<DataInfo> {
  const files = await findIdxFiles(location.directory);
  const [trainImages, trainLabels, testImages, testLabels] = [
    await readIdxHeader(files.trainImages, 3),
    await readIdxFile(files.trainLabels, 1),
    await readIdxHeader(files.testImages, 3),
    await readIdxFile(files.testLabels, 1),
  ];
  const train = {
    dimensions: trainImages.dimensions,
    labels: trainLabels.data,
    files: [files.trainImages, files.trainLabels],
  } as const;
  const test = {
    dimensions: testImages.dimensions,
    labels: testLabels.data,
    files: [files.testImages, files.testLabels],
  } as const;
  return check(location, train, test);
}

/**
 * Read a whole data set into memory.
 * @throws DcnetError `data`, naming the file
 */
export async function loadData(location: DataLocation): Promise<DataSet> {
  const files = await findIdxFiles(location.directory);
  const hash = createHash('sha256');
  const train = await loadSplit(files.trainImages, files.trainLabels, hash);
  const test = await loadSplit(files.testImages, files.testLabels, hash);
  const info = await check(location, train, test);
  return { info, sha256: hash.digest('hex'), train: splitOf(train), test: splitOf(test) };
}

interface RawSplit {
  /** [N, H, W]. */
  readonly dimensions: readonly number[];
  readonly labels: Uint8Array;
  readonly files: readonly [images: string, labels: string];
}

async function loadSplit(
  imagesFile: string,
  labelsFile: string,
  hash: Hash,
): Promise<RawSplit & { readonly images: Uint8Array }> {
  const images = await readIdxFile(imagesFile, 3, hash);
  const labels = await readIdxFile(labelsFile, 1, hash);
  return {
    dimensions: images.header.dimensions,
    images: images.data,
    labels: labels.data,
    files: [imagesFile, labelsFile],
  };
}

function splitOf({ images, labels }: { readonly images: Uint8Array; readonly labels: Uint8Array }): Split {
  return { count: labels.length, images, labels };
}

/** Images and labels must be of one number, train and test of one size, and every label a class. */
async function check(location: DataLocation, train: RawSplit, test: RawSplit): Promise<DataInfo> {
  const fail = (file: string, message: string, remedy: string): never => {
    throw new DcnetError({ code: 'data', message, remedy, file });
  };
  for (const { dimensions, labels, files } of [train, test])
    if (dimensions[0] !== labels.length)
      fail(
        files[1],
        `The file has ${labels.length.toLocaleString('en')} labels, but ${path.basename(files[0])} has ${dimensions[0]!.toLocaleString('en')} images.`,
        'Use images and labels of one split.',
      );
  const [, height, width] = train.dimensions as [number, number, number];
  const [, testHeight, testWidth] = test.dimensions as [number, number, number];
  if (height !== testHeight || width !== testWidth)
    fail(
      test.files[0],
      `The test images are ${testHeight}×${testWidth}, but the training images ${height}×${width}.`,
      'Use splits of one data set.',
    );

  const largest = { train: largestOf(train.labels), test: largestOf(test.labels) };
  const named = location.classNames ?? (await readClassNames(path.join(location.directory, 'labels.txt')));
  const classNames =
    named ?? Array.from({ length: Math.max(largest.train, largest.test) + 1 }, (_, label) => String(label));
  if (classNames.length < 2)
    fail(
      train.files[1],
      'Every image has the same label, so there is nothing to learn.',
      'Use data of two classes or more.',
    );
  for (const [split, raw] of [
    ['train', train],
    ['test', test],
  ] as const)
    if (largest[split] >= classNames.length)
      fail(
        raw.files[1],
        `The file has a label ${largest[split]}, but there are names for ${classNames.length} classes only.`,
        'Name every class in data.classNames of the config or in labels.txt beside the files.',
      );
  return {
    name: location.name,
    shape: [height, width, 1],
    classes: classNames.length,
    classNames: [...classNames],
    trainImages: train.labels.length,
    testImages: test.labels.length,
  };
}

function largestOf(labels: Uint8Array): number {
  let largest = 0;
  for (const label of labels) if (label > largest) largest = label;
  return largest;
}

/** One name a line; `undefined` where there is no such file. */
async function readClassNames(file: string): Promise<readonly string[] | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DcnetError(
      {
        code: 'data',
        message: 'The class names cannot be read.',
        remedy: 'Check that the file may be read.',
        file,
      },
      { cause: thrown },
    );
  }
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (text.length > longestLabelsFile || names.length < 2)
    throw new DcnetError({
      code: 'data',
      message: `The file has ${names.length} lines, but must have one class name a line, at least two.`,
      remedy: 'Correct it, or delete it: the classes are then named by their numbers.',
      file,
    });
  return names;
}
