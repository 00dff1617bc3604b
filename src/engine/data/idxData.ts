import { createHash } from 'node:crypto';
import path from 'node:path';
import { dataError, listFolder, readClassNames } from './dataFiles.js';
import { openIdxImages, readIdxFile, readIdxHeader } from './idxFile.js';
import type { LocatedAs } from './location.js';
import { areHeldInMemory, type Reading, readingStep } from './reading.js';
import {
  type BothSplits,
  type LoadedSplits,
  largestOf,
  type SplitContent,
  type SplitHeader,
} from './split.js';

const parts = {
  trainImages: ['train-images', 'idx3'],
  trainLabels: ['train-labels', 'idx1'],
  testImages: ['t10k-images', 'idx3'],
  testLabels: ['t10k-labels', 'idx1'],
} as const;
type DataPart = keyof typeof parts;

const namesRemedy = 'Name every class in data.classNames of the config or in labels.txt beside the files.';

/**
 * The four IDX files of a folder: `train-images-idx3-ubyte` and so on, also `train-images.idx3-ubyte`, each with or
 * without `.gz`.
 * @throws DcnetError `data`: the folder cannot be read, or a file is missing
 */
export async function findIdxFiles(directory: string): Promise<Readonly<Record<DataPart, string>>> {
  const remedy = 'Correct data.idx in the config: a folder of IDX files, relative to the config.';
  const names = new Set(await listFolder(directory, remedy));
  const find = (part: DataPart): string => {
    const [stem, rank] = parts[part];
    const candidates = [`${stem}-${rank}-ubyte`, `${stem}.${rank}-ubyte`].flatMap((name) => [
      name,
      `${name}.gz`,
    ]);
    const found = candidates.find((name) => names.has(name));
    if (found !== undefined) return path.join(directory, found);
    throw dataError(
      directory,
      `The folder has no file ${candidates[0]} (or ${candidates.slice(1).join(', ')}).`,
      'Put the four IDX files of the data set into this folder, or correct data.idx in the config.',
    );
  };
  return {
    trainImages: find('trainImages'),
    trainLabels: find('trainLabels'),
    testImages: find('testImages'),
    testLabels: find('testLabels'),
  };
}

/** Shapes and labels: reads the labels and the headers of the images. @throws DcnetError `data`, naming the file */
export async function describeIdx({ directory }: LocatedAs<'idx'>): Promise<BothSplits> {
  const files = await findIdxFiles(directory);
  return {
    train: await describeSplit(files.trainImages, files.trainLabels),
    test: await describeSplit(files.testImages, files.testLabels),
    classNames: await readClassNames(path.join(directory, 'labels.txt')),
    namesRemedy,
  };
}

/**
 * Everything; the hash is that of the four files' unpacked bytes.
 * @throws DcnetError `data`, naming the file; `cancelled`
 */
export async function loadIdx({ directory }: LocatedAs<'idx'>, reading: Reading): Promise<LoadedSplits> {
  const files = await findIdxFiles(directory);
  const headers = [await readIdxHeader(files.trainImages, 3), await readIdxHeader(files.testImages, 3)];
  const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b);
  const inMemory = areHeldInMemory(reading, total(headers.map(({ dataBytes }) => dataBytes)));
  const step = readingStep(reading, total(headers.map(({ dimensions }) => dimensions[0]!)));
  const hash = createHash('sha256');
  const load = async (imagesFile: string, labelsFile: string): Promise<SplitContent> => {
    const { header, data: images } = inMemory
      ? await readIdxFile(imagesFile, 3, hash)
      : await openIdxImages(imagesFile, hash, step);
    const { data: labels } = await readIdxFile(labelsFile, 1, hash);
    return { ...headerOf(header.dimensions, labels, [imagesFile, labelsFile]), images, labels };
  };
  const train = await load(files.trainImages, files.trainLabels);
  const test = await load(files.testImages, files.testLabels);
  const classNames = await readClassNames(path.join(directory, 'labels.txt'));
  return { train, test, classNames, namesRemedy, sha256: hash.digest('hex') };
}

async function describeSplit(imagesFile: string, labelsFile: string): Promise<SplitHeader> {
  const { dimensions } = await readIdxHeader(imagesFile, 3);
  const { data } = await readIdxFile(labelsFile, 1);
  return headerOf(dimensions, data, [imagesFile, labelsFile]);
}

function headerOf(sizes: readonly number[], labels: Uint8Array, files: SplitHeader['files']): SplitHeader {
  const [count, height, width] = sizes as [number, number, number];
  return {
    dimensions: [count, height, width, 1],
    labelCount: labels.length,
    largestLabel: largestOf(labels),
    files,
  };
}
