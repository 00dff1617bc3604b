import { createHash } from 'node:crypto';
import { dataError, readStart, readWhole, sizeOf } from './dataFiles.js';
import { FileImages, hashImages } from './fileImages.js';
import type { LocatedAs } from './location.js';
import { mostNpyHeaderBytes, parseNpy, parseNpyImagesHeader, parseNpyLabels } from './npy.js';
import { areHeldInMemory, type Reading, readingStep } from './reading.js';
import {
  type BothSplits,
  hashHeader,
  type LoadedSplits,
  labelsOf,
  largestOf,
  type SplitContent,
  type SplitHeader,
} from './split.js';
import { withZip } from './zipMembers.js';

type NumpyLocation = LocatedAs<'npz'> | LocatedAs<'npy'>;

/** An array, wherever it lies. */
interface StoredArray {
  /** For messages: the file, and where it is one of several in it its name. */
  readonly place: string;
  readonly bytes: number;
  read(most?: number): Promise<Uint8Array>;
  /** The file that has its bytes as they are, and where they begin in it; `undefined` of what is compressed. */
  find(): Promise<{ readonly file: string; readonly offset: number } | undefined>;
}
type Part = 'trainImages' | 'trainLabels' | 'testImages' | 'testLabels';
type Arrays = Readonly<Record<Part, StoredArray>>;

const namesRemedy = 'Name every class in data.classNames of the config.';
/** As Keras names the arrays of its data sets. */
const members: Readonly<Record<Part, string>> = {
  trainImages: 'x_train.npy',
  trainLabels: 'y_train.npy',
  testImages: 'x_test.npy',
  testLabels: 'y_test.npy',
};

/** Shapes and labels. @throws DcnetError `data`, naming the file */
export function describeNumpy(location: NumpyLocation): Promise<BothSplits> {
  return withArrays(location, async ({ trainImages, trainLabels, testImages, testLabels }) => ({
    train: (await describeSplit(trainImages, trainLabels)).header,
    test: (await describeSplit(testImages, testLabels)).header,
    classNames: undefined,
    namesRemedy,
  }));
}

/**
 * Everything; the hash is that of sizes, labels and images, train before test.
 * @throws DcnetError `data`, naming the file; `cancelled`
 */
export function loadNumpy(location: NumpyLocation, reading: Reading): Promise<LoadedSplits> {
  return withArrays(location, async ({ trainImages, trainLabels, testImages, testLabels }) => {
    const described = {
      train: await describeSplit(trainImages, trainLabels),
      test: await describeSplit(testImages, testLabels),
    };
    const inMemory = areHeldInMemory(reading, trainImages.bytes + testImages.bytes);
    const count = described.train.header.dimensions[0] + described.test.header.dimensions[0];
    const step = readingStep(reading, count);
    const hash = createHash('sha256');
    const load = async (
      { header, dataAt, numbers }: DescribedSplit,
      array: StoredArray,
    ): Promise<SplitContent> => {
      const found = inMemory ? undefined : await array.find();
      const images =
        found === undefined
          ? (parseNpy(await array.read(), array.place).values as Uint8Array)
          : new FileImages(found.file, found.offset + dataAt, array.bytes - dataAt);
      const labels = labelsOf(numbers);
      hashHeader(hash, header, labels);
      await hashImages(hash, images, images.length / header.dimensions[0], step);
      return { ...header, images, labels };
    };
    const train = await load(described.train, trainImages);
    const test = await load(described.test, testImages);
    return { train, test, classNames: undefined, namesRemedy, sha256: hash.digest('hex') };
  });
}

interface DescribedSplit {
  readonly header: SplitHeader;
  /** Where the images begin in their array's bytes. */
  readonly dataAt: number;
  /** The labels. */
  readonly numbers: readonly number[];
}

async function describeSplit(images: StoredArray, labels: StoredArray): Promise<DescribedSplit> {
  const start = await images.read(Math.min(images.bytes, mostNpyHeaderBytes));
  const { shape, dataAt } = parseNpyImagesHeader(start, images.bytes, images.place);
  const [count, height, width, channels = 1] = shape as [number, number, number, number?];
  const numbers = parseNpyLabels(await labels.read(), labels.place);
  return {
    header: {
      dimensions: [count, height, width, channels],
      labelCount: numbers.length,
      largestLabel: largestOf(numbers),
      files: [images.place, labels.place],
    },
    dataAt,
    numbers,
  };
}

async function withArrays<T>(location: NumpyLocation, work: (arrays: Arrays) => Promise<T>): Promise<T> {
  if (location.kind === 'npy') {
    const { trainImages, trainLabels, testImages, testLabels } = location.files;
    return work({
      trainImages: await arrayFile(trainImages),
      trainLabels: await arrayFile(trainLabels),
      testImages: await arrayFile(testImages),
      testLabels: await arrayFile(testLabels),
    });
  }
  const { file } = location;
  return withZip(file, (found) => {
    const member = (part: Part): StoredArray => {
      const name = members[part];
      const entry = found.get(name);
      if (entry === undefined)
        throw dataError(
          file,
          `The archive has no array ${name.replace('.npy', '')}, but ${[...found.keys()].map((key) => key.replace('.npy', '')).join(', ') || 'none'}.`,
          'Save it with numpy.savez_compressed(file, x_train=…, y_train=…, x_test=…, y_test=…).',
        );
      return { place: `${file} (${name})`, bytes: entry.bytes, read: entry.read, find: entry.find };
    };
    return work({
      trainImages: member('trainImages'),
      trainLabels: member('trainLabels'),
      testImages: member('testImages'),
      testLabels: member('testLabels'),
    });
  });
}

async function arrayFile(file: string): Promise<StoredArray> {
  return {
    place: file,
    bytes: await sizeOf(file),
    read: (most) => (most === undefined ? readWhole(file) : readStart(file, most)),
    find: async () => ({ file, offset: 0 }),
  };
}
